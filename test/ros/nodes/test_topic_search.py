# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes that find their topics in the graph: one sensible choice, several, or none yet."""

import numpy as np
import pytest

graph = pytest.importorskip("helpers.graph", reason="needs ROS 2 (pip install .[ros], python pip_ros/install.py)")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from i2p_ros.ros import messages  # noqa: E402
from i2p_ros.ros.nodes.drift_monitor_node import DriftMonitorNode  # noqa: E402
from i2p_ros.ros.nodes.localizer_node import LocalizerNode  # noqa: E402


class Robot(graph.Spun):
    """A robot with any cameras and lidars, and a node that is told none of their topics."""

    def __init__(self, context, kind=LocalizerNode, remap=(), **parameters):
        super().__init__()
        parameters = {"node.find_topics": True, "node.diagnostics_s": 0.1} | parameters
        self.known = graph.KnownLocalizer()
        load = (lambda settings: self.known,) if kind is LocalizerNode else ()
        words = [word for rule in remap for word in ("--remap", rule)]
        self.node = kind(
            *load, context=context, use_global_arguments=False, cli_args=["--ros-args", *words] if words else [],
            parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
        )  # fmt: skip
        self.tester = Node("tester", context=context, use_global_arguments=False)
        self.publishers, self.texts, self.statuses, self.sent = {}, [], [], 0
        self.tester.create_subscription(DiagnosticArray, "/diagnostics", self.hear, 20)
        self.tester.create_subscription(DiagnosticArray, "/localizer/status", self.statuses.append, 20)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)

    def hear(self, message):
        self.texts += [status.message for status in message.status]

    def send(self, topic, message):
        if topic not in self.publishers:
            self.publishers[topic] = self.tester.create_publisher(type(message), topic, 5)
        self.publishers[topic].publish(message)

    def camera(self, base, frame="camera", size=None, compressed=False, info=True):
        pair = graph.sample(self.sent).pair
        image = pair.image if size is None else np.ascontiguousarray(pair.image[: size[1], : size[0]])
        head = messages.header(pair.stamp, frame)
        if info:
            camera = pair.camera if size is None else pair.camera.cropped(0, 0, *size)
            self.send(f"{base}/camera_info", messages.camera_info(camera, head))
        if compressed:
            self.send(f"{base}/image/compressed", messages.compressed_message(image, head))
        else:
            self.send(f"{base}/image", messages.image_message(image, head))

    def lidar(self, topic, frame="lidar", points=None):
        pair = graph.sample(self.sent).pair
        cloud = pair.cloud if points is None else pair.cloud.selected(slice(points))
        self.send(topic, messages.cloud_message(cloud, messages.header(pair.stamp, frame)))

    def runs(self, drive, until, seconds=15.0):
        """Whether the condition comes true while the robot sends what `drive` sends, ten times a second."""
        for _ in range(int(10 * seconds)):
            drive()
            self.sent += 1
            if self.until(until, 0.1):
                return True
        return False

    def says(self, *words):
        return lambda: bool(self.texts) and all(word in self.texts[-1] for word in words)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()


@pytest.fixture
def robot(ros_context):
    robots = []

    def build(**options):
        robots.append(Robot(ros_context, **options))
        return robots[-1]

    yield build
    for one in robots:
        one.close()


def one_of_each(robot):
    def drive():
        robot.camera("/front")
        robot.lidar("/top/points")
        robot.camera("/lidar_picture", frame="lidar", info=False)  # a lidar's own picture
        robot.lidar("/depth/points", frame="camera")  # a depth camera's cloud
        robot.lidar("/obstacles", points=20)
        robot.send("/odom_pose", PoseStamped())

    return drive


def test_the_one_sensible_choice_is_taken_and_pairs_are_answered(robot):
    r = robot()
    assert r.runs(one_of_each(r), lambda: r.statuses), r.texts[-1:]
    assert r.known.pairs[-1].image.shape == (64, 96, 3) and len(r.known.pairs[-1].cloud) == 500
    assert r.tester.count_subscribers("/front/image") == r.tester.count_subscribers("/top/points") == 1
    assert not r.until(lambda: r.tester.count_subscribers("/obstacles"), 0.2)  # others are not listened to any more


def test_the_drift_monitor_finds_its_topics_too(robot):
    r = robot(kind=DriftMonitorNode, **{"monitor.network_pairs": 0})
    assert r.runs(one_of_each(r), lambda: r.node._channels)
    assert r.tester.count_subscribers("/top/points") == 1 and r.tester.count_subscribers("/obstacles") == 0


def test_compressed_images_are_found_with_their_transport(robot):
    r = robot()

    def drive():
        r.camera("/front", compressed=True)
        r.lidar("/top/points")

    assert r.runs(drive, lambda: r.statuses), r.texts[-1:]
    assert r.node.settings.node.image_transport == "compressed"
    assert r.known.pairs[-1].image.shape == (64, 96, 3)


def test_several_choices_are_listed_until_one_is_left(robot):
    r = robot()
    cameras = ["/left", "/right"]

    def drive():
        for base in cameras:
            r.camera(base, frame=base[1:])
        r.lidar("/top/points")

    assert r.runs(drive, r.says("/left/image", "/right/image", "image:=TOPIC")), r.texts[-1:]
    assert not r.node._channels
    cameras.remove("/left")
    for topic in ("/left/image", "/left/camera_info"):
        r.tester.destroy_publisher(r.publishers.pop(topic))
    assert r.runs(drive, lambda: r.statuses), r.texts[-1:]
    assert r.tester.count_subscribers("/right/image") == 1


def test_an_explicit_topic_wins_and_only_the_others_are_searched(robot):
    r = robot(remap=["image:=/left/image"])

    def drive():
        r.camera("/left", frame="left")
        r.camera("/right", frame="right")
        r.lidar("/top/points")

    assert r.runs(drive, lambda: r.statuses), r.texts[-1:]
    assert r.tester.count_subscribers("/left/image") == 1 and r.tester.count_subscribers("/right/image") == 0
    assert r.tester.count_subscribers("/left/camera_info") == 1


@pytest.mark.parametrize("missing", ["images", "clouds", "camera_info"])
def test_what_is_missing_is_said_and_awaited(robot, missing):
    r = robot()
    parts = {"images", "clouds", "camera_info"} - {missing}

    def drive():
        if "images" in parts:
            r.camera("/front", info="camera_info" in parts)
        elif "camera_info" in parts:
            pair = graph.sample(r.sent).pair
            r.send("/front/camera_info", messages.camera_info(pair.camera, messages.header(pair.stamp, "camera")))
        if "clouds" in parts:
            r.lidar("/top/points")

    assert r.runs(drive, r.says(f"waiting for a topic of {missing}")), r.texts[-1:]
    assert not r.statuses and not r.node._channels
    parts.add(missing)
    assert r.runs(drive, lambda: r.statuses), r.texts[-1:]


def test_topics_under_the_names_of_the_node_are_used_at_once(robot):
    r = robot()

    def drive():
        pair = graph.sample(r.sent).pair
        head = messages.header(pair.stamp, "camera")
        r.send("/image", messages.image_message(pair.image, head))
        r.send("/camera_info", messages.camera_info(pair.camera, head))
        r.lidar("/points")
        r.camera("/other", frame="other", size=(90, 60))

    assert r.runs(drive, lambda: r.statuses), r.texts[-1:]
    assert r.tester.count_subscribers("/image") == r.tester.count_subscribers("/points") == 1


def test_without_the_setting_nothing_is_searched(robot):
    r = robot(**{"node.find_topics": False})
    assert not r.runs(one_of_each(r), lambda: r.statuses, 4.0)
    assert r.tester.count_subscribers("/image") == 1 and r.tester.count_subscribers("/front/image") == 0

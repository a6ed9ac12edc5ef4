# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Odd bags, played into the localizer node over DDS and read by RosbagSource: both see the same pairs."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from diagnostic_msgs.msg import DiagnosticArray
from helpers.graph import KnownLocalizer, Spun
from helpers.odd_bags import COUNT, ODD
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from i2p_ros.core.config import load_settings
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.localizer_node import LocalizerNode
from i2p_ros.sources.opening import open_source

TYPES = {f"sensor_msgs/msg/{kind.__name__}": kind for kind in (CameraInfo, CompressedImage, Image, PointCloud2)}


class Live(Spun):
    """The node with the topics of a bag, and a tester that plays the bag to it, by the clock of the recording."""

    def __init__(self, context, odd):
        super().__init__()
        self.localizer, self.answers = KnownLocalizer(), []
        compressed = odd.image.endswith("/compressed")
        settings = {**odd.settings, "node.motion_compensation": False, "use_sim_time": True}
        settings["node.image_transport"] = "compressed" if compressed else "raw"
        names = {
            "image": odd.image.removesuffix("/compressed"),
            "camera_info": odd.info_topic,
            "points": "/lidar/points",
        }
        remaps = [word for name, topic in names.items() for word in ("-r", f"{name}:={topic}")]
        self.node = LocalizerNode(
            lambda settings: self.localizer, context=context, use_global_arguments=False,
            cli_args=["--ros-args", *remaps],
            parameter_overrides=[Parameter(name, value=value) for name, value in settings.items()],
        )  # fmt: skip
        self.tester = Node("tester", context=context, use_global_arguments=False)
        self.tester.create_subscription(DiagnosticArray, "/localizer/status", self.answers.append, 20)
        self.clock = self.tester.create_publisher(Clock, "/clock", 1)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)

    def play(self, path):
        """The messages as they were recorded, byte by byte."""
        with AnyReader([path]) as reader:
            publishers = {
                c.topic: self.tester.create_publisher(TYPES[c.msgtype], c.topic, 10) for c in reader.connections
            }
            assert self.until(lambda: sum(p.get_subscription_count() > 0 for p in publishers.values()) >= 3)
            assert self.until(
                lambda: self.clock.get_subscription_count() and self.tester.count_publishers("/localizer/status")
            )
            self.until(lambda: False, 0.3)
            for connection, received, raw in reader.messages():
                self.clock.publish(Clock(clock=messages.time_message(received)))
                assert self.until(lambda now=received: self.node.get_clock().now().nanoseconds == now)
                publishers[connection.topic].publish(bytes(raw))
                self.until(lambda: False, 0.05)
        assert self.until(lambda: len(self.answers) >= COUNT), "some pair has no answer"

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()


def offline(path, odd):
    """Pairs of a bag."""
    settings = load_settings((), [f"{name}={value}" for name, value in odd.settings.items()])
    source = open_source("rosbag", path, settings=settings)
    assert (source.topics.image, source.topics.cloud) == (odd.image, "/lidar/points")
    assert source.topics.camera_info == odd.info_topic
    return [source[index].pair for index in range(len(source))]


@pytest.mark.parametrize("name", ODD)
def test_the_node_and_a_bag_source_see_the_same_pairs(ros_context, tmp_path, name):
    odd = ODD[name]
    path = odd.written(tmp_path)
    pairs = offline(path, odd)
    live = Live(ros_context, odd)
    try:
        live.play(path)
    finally:
        live.close()
    assert len(live.localizer.pairs) == len(pairs) == COUNT
    for seen, read in zip(live.localizer.pairs, pairs, strict=True):
        assert (seen.stamp, seen.camera) == (read.stamp, read.camera)
        np.testing.assert_array_equal(seen.image, read.image)
        for column in ("xyz", "intensity", "time"):
            np.testing.assert_array_equal(getattr(seen.cloud, column), getattr(read.cloud, column))

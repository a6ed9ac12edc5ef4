# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults that only a running node meets, each with its number in the list of faults: over real topics."""

import contextlib
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_graph import START, T_CAMERA_LIDAR, Graph, KnownLocalizer, estimate, values
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, PointCloud2
from tf2_msgs.msg import TFMessage

from i2p_ros.core.errors import I2PError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import pose_from_transform, transform_from_stamped
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.ros import messages
from i2p_ros.ros.localizer_node import StuckError

STEP = 10**8
T_BASE_CAMERA = Pose.from_rotvec([0.3, -0.1, 0.8], [1.5, 0.0, 1.2])


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    graphs = []

    def build(**parameters):
        graphs.append(Graph(ros_context, KnownLocalizer(), **parameters))
        return graphs[-1]

    yield build
    for graph in graphs:
        graph.close()


def shifted(graph, index, stamp):
    """A pair under another stamp."""
    parts = graph.messages(index)
    for part in parts.values():
        part.header.stamp = messages.time_message(stamp)
    return parts


def dropped(graph):
    """Counts of the last diagnostics."""
    found = values(graph.heard["/diagnostics"][-1]) if graph.heard["/diagnostics"] else {}
    return {key.removeprefix("dropped."): int(value) for key, value in found.items() if key.startswith("dropped.")}


def transforms(*links):
    """A TFMessage of (parent, child, pose, stamp)."""
    return TFMessage(
        transforms=[messages.transform_stamped(p, messages.header(t, parent), child) for parent, child, p, t in links]
    )


def tf_publisher(graph, static=False):
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = graph.tester.create_publisher(TFMessage, "/tf_static" if static else "/tf", latched if static else 100)
    assert graph.until(publisher.get_subscription_count)
    return publisher


def elsewhere(pair):
    """A pose that no gate lets pass."""
    return estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)


def test_row_34_the_clock_jumps_back_and_the_next_pair_is_answered(make):
    graph = make(use_sim_time=True, tracking__prior="constant_velocity", node__diagnostics_s=0.1)
    clock = graph.tester.create_publisher(Clock, "/clock", 1)
    assert graph.until(clock.get_subscription_count)
    for index in (40, 41, 42, 0, 1, 2):  # a bag that starts again
        clock.publish(Clock(clock=messages.time_message(START + index * STEP)))
        graph.until(lambda: False, 0.1)
        graph.localizer.answer = elsewhere if index < 40 else graph.localizer.answer
        assert graph.play(graph.messages(index))["status"] == "ok"  # and no gate from the time before
    assert graph.localizer.priors[3] is None
    assert graph.until(lambda: dropped(graph).get("time_reset") == 1)


def test_row_35_stamps_jump_back_without_a_clock(make):
    graph = make(tracking__prior="constant_velocity", node__diagnostics_s=0.1)
    for index in (100, 101, 102, 0, 1, 2):
        graph.localizer.answer = elsewhere if index < 100 else graph.localizer.answer
        assert graph.play(graph.messages(index))["status"] == "ok"
    assert graph.localizer.priors[3] is None
    assert graph.until(lambda: dropped(graph).get("time_reset", 0) >= 1)


def test_row_35_transforms_of_the_time_before_do_not_keep_new_ones_out(make):
    graph = make(node__base_frame="base_link")
    publisher = tf_publisher(graph)
    tf_publisher(graph, static=True).publish(transforms(("mast", "camera", T_BASE_CAMERA, 0)))
    for index in (1000, 1001, 0, 1):
        publisher.publish(transforms(("base_link", "mast", T_BASE_CAMERA, START + index * STEP)))
        graph.until(lambda: False, 0.15)
        assert graph.play(graph.messages(index))["status"] == "ok"


def test_row_36_time_jumps_forward_by_hours(make):
    graph = make(tracking__prior="constant_velocity")
    graph.play(graph.messages(0))
    started = time.monotonic()
    for k in range(3):
        said = graph.play(shifted(graph, k, START + 9 * 3600 * 10**9 + k * STEP))
        assert said["status"] == "ok" and said["state"] == "tracking"
    assert graph.localizer.priors[1] is None and time.monotonic() - started < 4


def test_row_42_one_sensor_stops_and_returns(make):
    graph = make(node__diagnostics_s=0.1, node__warn_after_s=0.3, node__error_after_s=0.8)
    assert graph.play(graph.messages(0))["status"] == "ok"
    answers, reports = graph.heard["/localizer/status"], graph.heard["/diagnostics"]

    def level_and_text():
        return reports[-1].status[0].level, reports[-1].status[0].message

    index = 0

    def without_points():
        nonlocal index
        index += 1
        parts = graph.messages(index)
        del parts["points"]
        graph.send(parts)
        graph.until(lambda: False, 0.05)
        return level_and_text()

    end = time.monotonic() + 5
    while without_points()[0] != messages.ERROR and time.monotonic() < end:
        assert level_and_text()[0] in (messages.OK, messages.WARN)
    assert level_and_text()[0] == messages.ERROR and "no points for" in level_and_text()[1]
    before = len(answers)
    for _ in range(2):
        index += 1
        graph.send(graph.messages(index))
        graph.until(lambda: False, 0.1)
    assert graph.until(lambda: len(answers) > before) and values(answers[-1])["status"] == "ok"


def test_row_43_a_publisher_comes_back_with_another_frame_or_type(make):
    graph = make(node__diagnostics_s=0.1)
    assert graph.play(graph.messages(0))["status"] == "ok"
    graph.tester.destroy_publisher(graph.points)
    graph.points = graph.tester.create_publisher(PointCloud2, "points", 5)
    assert graph.until(graph.points.get_subscription_count)
    parts = graph.messages(1)
    parts["points"].header.frame_id = "roof_lidar"
    assert graph.play(parts)["status"] == "ok"
    assert graph.heard["/localizer/pose"][-1].header.frame_id == "roof_lidar"
    graph.tester.destroy_publisher(graph.points)
    other = Context()  # one participant cannot have both types
    other.init()
    stranger = Node("stranger", context=other, use_global_arguments=False)
    wrong = stranger.create_publisher(CompressedImage, "points", 5)
    graph.until(lambda: False, 0.5)
    wrong.publish(CompressedImage())
    graph.until(lambda: False, 0.2)
    stranger.destroy_node()
    other.try_shutdown()
    graph.points = graph.tester.create_publisher(PointCloud2, "points", 5)
    assert graph.until(graph.points.get_subscription_count)
    assert graph.play(graph.messages(2))["status"] == "ok"


def test_row_43_another_frame_is_another_track(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1)
    for k in range(3):
        assert graph.play(graph.messages(k))["status"] == "ok"
    assert graph.localizer.priors[2] is not None
    parts = graph.messages(3)
    parts["points"].header.frame_id = "roof_lidar"
    graph.localizer.answer = elsewhere
    assert graph.play(parts)["status"] == "ok" and graph.localizer.priors[3] is None


def test_row_44_incompatible_quality_of_service_is_named(make, capfd):
    override = {"qos_overrides./points.subscription.reliability": "reliable", "node.diagnostics_s": 0.1}
    with pytest.raises(AssertionError, match="do not see each other"):
        make(best_effort=True, **override)
    said = capfd.readouterr().err
    assert "/points" in said and "RELIABILITY" in said and "qos_overrides./points" in said


def test_row_50_a_slow_localizer_gets_the_newest_pair_and_the_rest_is_counted(make):
    graph = make(node__diagnostics_s=0.1)
    graph.localizer.gate.clear()
    for index in range(6):
        graph.send(graph.messages(index))
        graph.until(lambda: False, 0.1)
    graph.localizer.gate.set()
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: len(answers) == 6)
    assert [pair.stamp for pair in graph.localizer.pairs] == [START, START + 5 * STEP]
    assert graph.until(lambda: dropped(graph).get("busy") == 4)


def test_row_51_a_localizer_that_hangs_is_stale_and_may_end_the_node(make):
    graph = make(node__diagnostics_s=0.1, node__stale_after_s=0.3)
    graph.localizer.gate.clear()
    graph.send(graph.messages(0))
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: reports and reports[-1].status[0].level == messages.STALE)
    assert "one pair has been running" in reports[-1].status[0].message
    graph.localizer.gate.set()
    assert graph.until(lambda: reports[-1].status[0].level != messages.STALE)


def test_row_51_a_watchdog_ends_the_node_if_asked_to(make):
    graph = make(node__diagnostics_s=0.1, node__exit_after_s=0.3)
    graph.localizer.gate.clear()
    graph.send(graph.messages(0))
    with pytest.raises(StuckError, match="more than 0"):
        graph.until(lambda: False, 3.0)
    assert issubclass(StuckError, I2PError)  # which the process says in one line, with exit code 1


def test_row_52_exceptions_end_neither_the_worker_nor_the_node(make, ros_context, monkeypatch):
    graph = make()
    graph.localizer.answer = lambda pair: 1 / 0
    said = graph.play(graph.messages(0))
    assert (said["status"], said["reason"]) == ("not_processed", "exception") and "ZeroDivisionError" in said["text"]
    graph.localizer.answer = lambda pair: estimate()
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_row_52_a_callback_that_raises_does_not_end_the_node(make, ros_context):
    graph = make()
    graph.executor.remove_node(graph.node)

    def spin():
        with contextlib.suppress(ExternalShutdownException):
            graph.node.run()

    fail = graph.node.create_subscription(TransformStamped, "fail", lambda message: 1 / 0, 1)
    thread = threading.Thread(target=spin)
    thread.start()
    sender = graph.tester.create_publisher(TransformStamped, "fail", 1)
    assert graph.until(sender.get_subscription_count)
    sender.publish(TransformStamped())
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["status"] == "ok" and fail is not None
    ros_context.try_shutdown()
    thread.join(3)
    assert not thread.is_alive()


def test_row_53_no_pose_without_a_finite_covariance(make):
    graph = make()
    graph.localizer.answer = lambda pair: PoseEstimate(
        Status.OK, pose=T_CAMERA_LIDAR, covariance=np.full((6, 6), np.nan)
    )
    said = graph.play(graph.messages())
    assert said["status"] != "ok" and not graph.heard["/localizer/pose"] and not graph.heard["/tf"]


def test_row_57_a_pose_far_off_the_prediction_is_withheld_until_it_has_come_often_enough(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1, tracking__lost_after=3)
    for k in range(3):
        assert graph.play(graph.messages(k))["status"] == "ok"
    prior = graph.localizer.priors[2]
    assert prior is not None and np.abs(prior.pose.local(T_CAMERA_LIDAR)).max() < 1e-6
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 20, 0, 0, 0]) @ T_CAMERA_LIDAR)
    said = [graph.play(graph.messages(k)) for k in range(3, 7)]
    assert [s["status"] for s in said] == ["uncertain", "uncertain", "uncertain", "ok"]
    assert [s["state"] for s in said] == ["tracking", "tracking", "lost", "tracking"]
    assert "off the prediction" in said[0]["text"] and "3 pairs in a row" in said[2]["state_reason"]
    assert len(graph.heard["/localizer/pose"]) == 4


def test_row_60_frames_that_are_missing_are_waited_for_and_named(make):
    graph = make(node__base_frame="base_link", node__tf_timeout_s=0.3)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.missing" and "'camera'" in said["text"] and "'base_link'" in said["text"]
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START)))
    graph.until(lambda: False, 0.1)
    started = time.monotonic()
    assert graph.play(graph.messages(1))["reason"] == "tf.extrapolation"
    assert 0.3 <= time.monotonic() - started < 1.5
    graph.send(graph.messages(2))
    graph.until(lambda: False, 0.15)
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + 2 * STEP)))  # late, but in time
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: len(answers) == 3) and values(answers[-1])["status"] == "ok"
    assert len(graph.heard["/localizer/pose"]) == 1


def test_row_60_a_loop_and_two_parents_are_named(make):
    graph = make(node__base_frame="base_link")
    publisher = tf_publisher(graph)
    publisher.publish(
        transforms(("base_link", "camera", T_BASE_CAMERA, START), ("camera", "base_link", T_BASE_CAMERA, START))
    )
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.loop" and "camera" in said["text"] and "base_link" in said["text"]
    graph.until(lambda: False, 2.1)  # the wrong link is not sent any more
    for k in range(1, 3):
        publisher.publish(transforms(("mast", "camera", T_BASE_CAMERA, START + k * STEP)))
        publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + k * STEP)))
    publisher.publish(transforms(("map", "base_link", T_BASE_CAMERA, START + STEP)))
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(1))
    assert said["reason"] == "tf.two_parents" and "base_link" in said["text"] and "mast" in said["text"]
    assert not graph.heard["/localizer/pose"]


def test_row_60_a_transform_of_nan_is_left_out(make):
    graph = make(node__base_frame="base_link")
    publisher, broken = tf_publisher(graph), transforms(("base_link", "camera", T_BASE_CAMERA, START))
    broken.transforms[0].transform.rotation.x = float("nan")
    publisher.publish(broken)
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["reason"] == "tf.missing"
    publisher.publish(transforms(("base_link", "camera", T_BASE_CAMERA, START + STEP)))
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_map_to_odom_is_sent_so_that_the_tree_says_where_the_camera_is(make):
    graph = make(node__tf_mode="map_to_odom", node__transform_tolerance_s=0.25)
    assert graph.play(graph.messages(0))["reason"] == "tf.missing" and not graph.heard["/tf"]
    tf_publisher(graph, static=True).publish(transforms(("base_link", "camera", T_BASE_CAMERA, 0)))
    T_odom_base = Pose.from_rotvec([0, 0, 0.5], [7, 8, 0])
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("odom", "base_link", T_odom_base, START + STEP)))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages(1))["status"] == "ok"
    sent = [t for m in graph.heard["/tf"] for t in m.transforms if t.child_frame_id == "odom"]
    parent, child, T_lidar_odom = transform_from_stamped(sent[-1])
    assert (parent, child) == ("lidar", "odom")
    assert sent[-1].header.stamp == messages.time_message(START + STEP + 250_000_000)
    np.testing.assert_allclose(
        (T_lidar_odom @ T_odom_base @ T_BASE_CAMERA).matrix, T_CAMERA_LIDAR.inverse().matrix, atol=1e-9
    )
    publisher.publish(transforms(("base_link", "lidar", T_BASE_CAMERA, START + 2 * STEP)))
    publisher.publish(transforms(("odom", "base_link", T_odom_base, START + 2 * STEP)))
    graph.until(lambda: False, 0.3)
    assert graph.play(graph.messages(2))["reason"] == "tf.loop"  # a lidar of the robot cannot hold odom
    assert len(graph.heard["/localizer/pose"]) == 1


def test_odometry_of_a_second_parent_is_not_mended_silently(make):
    graph = make(node__tf_mode="map_to_odom")
    publisher = tf_publisher(graph)
    publisher.publish(transforms(("world", "odom", T_BASE_CAMERA, START), ("odom", "camera", T_BASE_CAMERA, START)))
    graph.until(lambda: False, 0.2)
    said = graph.play(graph.messages(0))
    assert said["reason"] == "tf.two_parents" and "world" in said["text"]


def test_the_prior_is_the_last_pose_moved_by_odometry(make):
    graph = make(tracking__prior="odometry", node__diagnostics_s=0.1)
    publisher = tf_publisher(graph)
    T_odom_camera = [Pose.from_rotvec([0, 0, 0.1 * k], [k, 0.5 * k, 0]) for k in range(3)]
    publisher.publish(transforms(*(("odom", "camera", p, START + k * STEP) for k, p in enumerate(T_odom_camera))))
    graph.until(lambda: False, 0.2)
    graph.play(graph.messages(0))
    graph.localizer.answer = lambda pair: estimate(T_odom_camera[1].inverse() @ T_odom_camera[0] @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(1))["status"] == "ok"
    none, prior = graph.localizer.priors
    assert none is None
    expected = T_odom_camera[1].inverse() @ T_odom_camera[0] @ T_CAMERA_LIDAR
    np.testing.assert_allclose(prior.pose.matrix, expected.matrix, atol=1e-9)
    said = graph.play(graph.messages(5))  # odometry has not come so far
    assert said["status"] == "ok" and graph.localizer.priors[2] is None
    assert graph.until(lambda: values(graph.heard["/diagnostics"][-1]).get("without_prior.tf.extrapolation") == "1")


def test_the_prior_is_what_tf_says(make):
    graph = make(tracking__prior="tf", tracking__prior_std_m=0.3)
    tf_publisher(graph, static=True).publish(transforms(("lidar", "camera", T_CAMERA_LIDAR.inverse(), 0)))
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(0))["status"] == "ok"
    (prior,) = graph.localizer.priors
    np.testing.assert_allclose(prior.pose.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 9, 0, 0, 0]) @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(1))["status"] == "uncertain"


def test_the_prior_is_what_somebody_says_on_initialpose(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=1.0)
    given = graph.tester.create_publisher(PoseWithCovarianceStamped, "/initialpose", 1)
    assert graph.until(given.get_subscription_count)
    message = PoseWithCovarianceStamped(header=messages.header(START, "lidar"))
    message.pose.pose = messages.pose_message(T_CAMERA_LIDAR.inverse())
    message.pose.covariance[0] = 0.04
    given.publish(message)
    graph.until(lambda: False, 0.2)
    graph.play(graph.messages(0))
    (prior,) = graph.localizer.priors
    np.testing.assert_allclose(prior.pose.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
    message.pose.pose.orientation.w = float("nan")
    given.publish(message)
    graph.until(lambda: False, 0.2)
    assert graph.play(graph.messages(1))["status"] == "ok" and graph.localizer.priors[1] is None
    assert pose_from_transform(graph.heard["/localizer/pose"][-1].pose.pose) is not None

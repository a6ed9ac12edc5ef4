# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of tf, as a running node meets them, row 60 of docs/faults.md; and what tf and priors do without a fault."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers.faults import STEP, T_BASE_CAMERA, tf_publisher, transforms
from helpers.graph import START, T_CAMERA_LIDAR, estimate, made, values

from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import pose_from_transform, transform_from_stamped
from i2p_ros.ros import messages


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


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

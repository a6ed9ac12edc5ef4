# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the localizer in a running node, and answers that are not published: rows 45 to 59 of docs/faults.md."""

import contextlib
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from geometry_msgs.msg import TransformStamped
from helpers.faults import last, tf_publisher, transforms
from helpers.graph import T_CAMERA_LIDAR, estimate, made, values
from rclpy.executors import ExternalShutdownException

from i2p_ros.core.errors import DeviceError, I2PError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.lifecycle_node import StuckError


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def test_row_45_a_localizer_without_room_is_an_error(make):
    graph = make(node__diagnostics_s=0.1)
    graph.localizer.answer = lambda pair: PoseEstimate(Status.NOT_PROCESSED, "the device has no room")
    assert graph.play(graph.messages())["status"] == "not_processed" and not graph.heard["/localizer/pose"]
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: "not_processed" in reports[-1].status[0].message)
    assert reports[-1].status[0].level == messages.ERROR


def test_row_46_a_lost_device_ends_the_node(make):
    graph = make(node__diagnostics_s=0.1)

    def lost(pair):
        raise DeviceError("the device is lost, start again")

    graph.localizer.answer = lost
    graph.send(graph.messages())
    with pytest.raises(DeviceError):
        graph.until(lambda: False, 3.0)
    answers = graph.heard["/localizer/status"]
    with contextlib.suppress(DeviceError):
        graph.until(lambda: answers, 0.05)
    assert values(answers[-1])["reason"] == "device_lost"


@pytest.mark.parametrize("off_m", [0.0, 2.0])
def test_row_59_covariances_that_are_too_small_are_told(make, off_m):
    graph = make(
        tracking__prior="tf",
        tracking__prior_std_m=0.1,
        tracking__prior_std_deg=1.0,
        tracking__gate=1e9,
        node__diagnostics_s=0.1,
    )
    tf_publisher(graph, static=True).publish(transforms(("lidar", "camera", T_CAMERA_LIDAR.inverse(), 0)))
    graph.until(lambda: False, 0.2)
    answers = iter(np.random.default_rng(0).choice([-off_m, off_m], 21))
    graph.localizer.answer = lambda pair: estimate(Pose.exp([next(answers), 0, 0, 0, 0, 0]) @ T_CAMERA_LIDAR)
    for index in range(21):
        graph.play(graph.messages(index))
    assert graph.until(lambda: last(graph, "covariance_ratio") is not None)
    assert (float(last(graph, "covariance_ratio")) > 2) == (off_m > 0)
    told = "covariances are too small" in graph.heard["/diagnostics"][-1].status[0].message
    assert told == (off_m > 0)


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
    assert "far from the prediction" in said[0]["text"] and "3 pairs in a row" in said[2]["state_reason"]
    assert len(graph.heard["/localizer/pose"]) == 4

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What robots do to the node beside sending it messages: transitions at odd moments, odd settings, odd transforms."""

import shlex
import threading
import time
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from diagnostic_msgs.msg import DiagnosticArray
from helpers.graph import START, T_CAMERA_LIDAR, Graph, KnownLocalizer, Managed, made
from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import CameraInfo, Image, PointField
from sensor_msgs_py.point_cloud2 import create_cloud
from std_srvs.srv import Trigger

from i2p_ros.core.errors import I2PError
from i2p_ros.core.tracking import Tracker
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.calibration_files import MOST_POSES, RecentPoses
from i2p_ros.ros.nodes.localizer_channel import LocalizerChannel
from i2p_ros.writers.calibration import write_calibration

STEP = 10**8  # ns
CONFIGURE, ACTIVATE, DEACTIVATE = (
    getattr(Transition, f"TRANSITION_{name}") for name in ("CONFIGURE", "ACTIVATE", "DEACTIVATE")
)


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context, Managed)


def subscribed(graph):
    assert graph.until(lambda: graph.points.get_subscription_count() and graph.image.get_subscription_count())
    graph.until(lambda: False, 0.3)


def workers():
    """Threads that localize, those of other tests' nodes as well."""
    return {thread for thread in threading.enumerate() if thread.name == "worker"}


def test_a_pair_that_outlives_the_deactivation_ends_in_silence(make, monkeypatch, capfd):
    escaped, before = [], workers()
    monkeypatch.setattr(threading, "excepthook", lambda raised: escaped.append(raised.exc_value))
    graph = make()
    subscribed(graph)
    graph.localizer.gate.clear()
    graph.send(graph.messages())
    assert graph.until(lambda: graph.localizer.pairs)
    assert graph.change(DEACTIVATE)
    graph.localizer.gate.set()
    assert graph.until(lambda: not workers() - before)
    assert not escaped and "pair dropped" not in capfd.readouterr().err
    assert graph.change(ACTIVATE)
    subscribed(graph)
    assert graph.play(graph.messages(1))["status"] == "ok"


@pytest.mark.parametrize("names", ["ri ght", "/left", "a//b", "left,left", "1st", "left,b:c"])
def test_names_that_no_topic_can_have_are_refused_at_the_start(ros_context, names):
    with pytest.raises(I2PError, match="cameras"):
        Graph(ros_context, KnownLocalizer(), node__cameras=names)


def test_an_activation_that_fails_says_why_and_leaves_nothing_behind(make, capfd):
    before = workers()
    graph = make(node__autostart=False, **{"qos_overrides./points.subscription.reliability": "banana"})
    for _ in range(2):
        assert graph.change(CONFIGURE) and not graph.change(ACTIVATE)
        assert "cannot activate" in capfd.readouterr().err
        assert not list(graph.node.subscriptions)
    assert not workers() - before
    with pytest.raises(I2PError, match="banana"):
        make(**{"qos_overrides./points.subscription.reliability": "banana"})


def test_a_calibration_is_saved_while_pairs_are_localized(make, tmp_path):
    graph = make(node__calibration_dir=str(tmp_path))
    subscribed(graph)
    graph.play(graph.messages())
    for index in range(1, 4):
        graph.send(graph.messages(index))
        assert graph.ask(Trigger, "save_calibration").success


def test_recent_poses_may_be_added_while_their_median_is_taken():
    poses, ended = RecentPoses(), threading.Event()
    for _ in range(MOST_POSES):
        poses.add(T_CAMERA_LIDAR)

    def localize():  # as the worker does, only faster
        while not ended.wait(1e-5):
            poses.add(T_CAMERA_LIDAR)

    thread = threading.Thread(target=localize)
    thread.start()
    try:
        assert [poses.median()[2] for _ in range(50)] == [MOST_POSES] * 50
    finally:
        ended.set()
        thread.join()


def test_a_service_that_fails_answers_all_the_same(make, monkeypatch):
    graph = make()
    monkeypatch.setattr(LocalizerChannel, "forget", lambda channel, reason: 1 / 0)
    answer = graph.ask(Trigger, "reset")
    assert not answer.success and "ZeroDivisionError" in answer.message


def test_one_camera_without_poses_keeps_no_other_from_being_saved(make, tmp_path):
    graph = make(node__cameras="left,right", node__calibration_dir=str(tmp_path))
    graph.image, graph.info = (
        graph.tester.create_publisher(kind, f"right/{topic}", 5)
        for kind, topic in ((Image, "image"), (CameraInfo, "camera_info"))
    )
    graph.listen(DiagnosticArray, "/localizer/right/status")
    subscribed(graph)
    parts = graph.messages()
    parts["image"].header.frame_id = "right"
    graph.send(parts)
    assert graph.until(lambda: graph.heard["/localizer/right/status"])
    answer = graph.ask(Trigger, "save_calibration")
    assert not answer.success and "lidar_right.yaml" in answer.message and "left: no pose" in answer.message
    assert (tmp_path / "lidar_right.yaml").is_file()


def test_names_of_frames_are_quoted_where_a_calibration_is_written(tmp_path):
    lidar, camera = "a b; exit 1", 'c<"&'
    _, urdf, command = write_calibration(tmp_path, T_CAMERA_LIDAR, np.ones(6), 1, lidar, camera)
    joint = ElementTree.fromstring(urdf.read_text())
    assert (joint.find("parent").get("link"), joint.find("child").get("link")) == (lidar, camera)
    assert {lidar, camera} <= set(shlex.split(command.read_text()))


def test_a_user_without_a_home_has_a_node_that_says_so_when_it_is_to_save(make):
    graph = make(node__calibration_dir="~nobody-of-this-name/calibration")
    subscribed(graph)
    graph.play(graph.messages())
    answer = graph.ask(Trigger, "save_calibration")
    assert not answer.success and "cannot write" in answer.message


def test_row_60_frames_of_another_clock_do_not_make_others_forgotten(make):
    graph = make(tracking__prior="tf")
    for k in range(4):
        graph.tell(("camera", "lidar", START + k * STEP))
        graph.tell(("elsewhere", "unsynchronised", START + 3600 * 10**9 + k * STEP))
        graph.tell(("elsewhere", "never_stamped", 0))
    subscribed(graph)
    assert graph.play(graph.messages(2))["status"] == "ok" and graph.localizer.priors[0] is not None


def test_points_from_before_the_epoch_are_taken_as_they_come(make):
    graph = make()
    graph.tell(("odom", "lidar", START), static=True)
    subscribed(graph)
    parts = graph.messages()
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(("x", "y", "z", "time"))]
    points = np.random.default_rng(0).uniform(-9, 9, (500, 4)).astype(np.float32)
    points[:, 3] = np.linspace(-0.1, 0.0, len(points))
    parts["points"] = create_cloud(parts["points"].header, fields, points)
    for part in parts.values():
        part.header.stamp = messages.time_message(STEP // 2)
    assert graph.play(parts)["status"] == "ok"


def test_two_calibrations_in_turn_do_not_flood_the_log(make, capfd):
    graph = make()
    subscribed(graph)
    capfd.readouterr()
    began = time.monotonic()
    for k in range(10):
        parts = graph.messages(k)
        parts["info"].k[0] = 90.0 + k % 2
        graph.play(parts)
    most = 2 + time.monotonic() - began  # one a second
    assert 1 <= capfd.readouterr().err.count("the calibration has changed") <= most


def test_a_reset_during_a_reset_is_another_one(make, monkeypatch):
    graph = make()
    subscribed(graph)
    reasons, reset, asked_again = [], Tracker.reset, threading.Event()

    def held_up(tracker, reason):
        reasons.append(reason)
        reset(tracker, reason)
        asked_again.wait(10.0)

    monkeypatch.setattr(Tracker, "reset", held_up)
    graph.send(graph.messages(0))
    assert graph.until(lambda: reasons)
    assert graph.ask(Trigger, "reset").success  # while the worker is in the midst of a reset
    asked_again.set()
    assert graph.until(lambda: graph.heard["/localizer/status"])
    graph.play(graph.messages(1))
    assert reasons[1:] == ["the service ~/reset was called"]

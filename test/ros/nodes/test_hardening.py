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

from helpers.graph import START, T_CAMERA_LIDAR, Graph, KnownLocalizer, Managed, made
from lifecycle_msgs.msg import Transition
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointField
from sensor_msgs_py.point_cloud2 import create_cloud
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.monitor.history import Rig
from i2p_ros.monitor.session import Monitor
from i2p_ros.ros import messages
from i2p_ros.ros.nodes import frames
from i2p_ros.ros.nodes.calibration import write_calibration
from i2p_ros.ros.nodes.drift_monitor import MonitorNode

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
    (channel,) = graph.node._channels
    channel._poses.extend([T_CAMERA_LIDAR] * 200)
    ended = threading.Event()

    def localize():  # as the worker does, only faster
        while not ended.wait(1e-4):
            channel._poses.append(T_CAMERA_LIDAR)

    thread = threading.Thread(target=localize)
    thread.start()
    try:
        assert all(graph.ask(Trigger, "save_calibration").success for _ in range(3))
    finally:
        ended.set()
        thread.join()


def test_a_service_that_fails_answers_all_the_same(make, monkeypatch):
    graph = make()
    monkeypatch.setattr(graph.node._channels[0], "forget", lambda reason: 1 / 0)
    answer = graph.ask(Trigger, "reset")
    assert not answer.success and "ZeroDivisionError" in answer.message


def test_one_camera_without_poses_keeps_no_other_from_being_saved(make, tmp_path):
    graph = make(node__cameras="left,right", node__calibration_dir=str(tmp_path))
    for channel in graph.node._channels[1:]:
        channel._frame_names = ("right", "lidar")
        channel._poses.append(T_CAMERA_LIDAR)
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
    (channel,) = graph.node._channels
    channel._poses.append(T_CAMERA_LIDAR)
    answer = graph.ask(Trigger, "save_calibration")
    assert not answer.success and "cannot write" in answer.message


def tell(graph, *links, static=False):
    """Send transforms (parent, child, stamp) to the node."""
    kept = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    if static not in graph.senders:
        topic, qos = ("/tf_static", kept) if static else ("/tf", 100)
        graph.senders[static] = graph.tester.create_publisher(TFMessage, topic, qos)
        assert graph.until(graph.senders[static].get_subscription_count)
        graph.until(lambda: False, 0.2)
    parts = [
        messages.transform_stamped(T_CAMERA_LIDAR, messages.header(stamp, parent), child)
        for parent, child, stamp in links
    ]
    graph.senders[static].publish(TFMessage(transforms=parts))
    graph.until(lambda: False, 0.1)


def test_row_60_frames_of_another_clock_do_not_make_others_forgotten(make):
    graph = make(tracking__prior="tf")
    for k in range(4):
        tell(graph, ("camera", "lidar", START + k * STEP))
        tell(graph, ("elsewhere", "unsynchronised", START + 3600 * 10**9 + k * STEP))
        tell(graph, ("elsewhere", "never_stamped", 0))
    subscribed(graph)
    assert graph.play(graph.messages(2))["status"] == "ok" and graph.localizer.priors[0] is not None


def test_row_60_a_loop_that_nobody_sends_any_more_is_forgotten(make, monkeypatch):
    monkeypatch.setattr(frames, "PARENT_S", 0.5)
    graph = make(tracking__prior="tf", node__tf_timeout_s=0.0)
    tell(graph, ("camera", "lidar", START), static=True)
    tell(graph, ("odom", "base", START), ("base", "odom", START))
    with pytest.raises(InputError, match="loop"):
        graph.node._frames.lookup("odom", "base", START)
    for k in range(8):
        tell(graph, ("odom", "base", START + k * STEP))
    with pytest.raises(InputError, match="loop"):
        graph.node._frames.lookup("odom", "base", START)
    tell(graph, ("odom", "base", START), ("odom", "base", START + STEP))
    assert graph.node._frames.lookup("odom", "base", START)
    assert graph.node._frames.lookup("camera", "lidar", START)


def test_row_60_time_may_jump_back_while_a_fixed_frame_has_two_parents(make):
    graph = make(tracking__prior="tf")
    tell(graph, ("mast", "camera", START), ("camera", "lidar", START), static=True)
    tell(graph, ("roof", "camera", START), static=True)
    for stamp in (START + 100 * 10**9, START):
        tell(graph, ("odom", "base", stamp))
    for target, source in (("camera", "lidar"), ("odom", "base")):
        found = graph.node._frames.lookup(target, source, START)
        np.testing.assert_allclose(found.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)


def test_a_moving_frame_does_not_stand_still_after_a_jump(make):
    graph = make(tracking__prior="tf")
    tell(graph, ("odom", "camera", START), ("odom", "base", START + 100 * 10**9))
    tell(graph, ("mast", "camera", START), static=True)
    tell(graph, ("odom", "base", START))
    with pytest.raises(InputError, match="camera"):
        graph.node._frames.lookup("odom", "camera", START)


def test_points_from_before_the_epoch_are_taken_as_they_come(make):
    graph = make()
    tell(graph, ("odom", "lidar", START), static=True)
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


def test_a_jump_while_the_track_is_begun_anew_begins_it_once_more(make, monkeypatch):
    graph = make()
    subscribed(graph)
    (channel,) = graph.node._channels
    reasons, reset = [], channel._tracker.reset

    def jumps_again(reason):
        reasons.append(reason)
        reset(reason)
        if len(reasons) == 1:
            channel.forget("time has jumped again")

    monkeypatch.setattr(channel._tracker, "reset", jumps_again)
    for k in range(2):
        graph.play(graph.messages(k))
    assert reasons[1:] == ["time has jumped again"]


def test_diagnostics_leave_a_monitor_alone_that_the_worker_has(ros_context):
    node = MonitorNode(context=ros_context, use_global_arguments=False)
    try:
        (channel,) = node._channels
        channel.monitor = Monitor(Pose.identity(), Rig("vehicle", "camera", "lidar"), Settings())
        with channel._busy:
            assert "epoch" not in channel.report(None)[2]
        told = channel.report(None)[2]
        with channel._busy:
            channel.monitor.watch = None  # in pieces
            assert channel.report(None)[2]["epoch"] == told["epoch"]
    finally:
        node.destroy_node()

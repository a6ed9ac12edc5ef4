# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node drift_monitor over real topics: a made-up drive, seen from a nominal calibration that is off or not."""

import contextlib
import sqlite3
import threading
import time
from collections import defaultdict
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from helpers.interfaces import interfaces_of, written_interfaces
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from i2p_ros import localizer
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import DeviceError, I2PError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.optical_frame import T_OPTICAL_BODY
from i2p_ros.core.resources import resource
from i2p_ros.monitor import history as history_module
from i2p_ros.monitor import session
from i2p_ros.monitor.history import History, MonitoredRig
from i2p_ros.monitor.sequential_test import SequentialTest
from i2p_ros.ros import messages
from i2p_ros.ros.nodes import monitor_channel
from i2p_ros.ros.nodes.drift_monitor_node import DriftMonitorNode
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.calibration import write_calibration

START = 1_700_000_000 * 10**9  # ns
DRIFT = np.array([0.0, 0.0, 0.0, np.radians(0.6), 0.0, 0.0])
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
QUICK = {
    "monitor.window": 3, "monitor.rate_hz": 1.0, "watch.systematic_m": 0.0, "watch.systematic_deg": 0.0,
    "watch.accepted_m": 0.0, "watch.accepted_deg": 0.0, "node.diagnostics_s": 0.1,
}  # fmt: skip


@cache
def drive():
    source = SyntheticSource(SyntheticSettings(drive=True, rate_hz=1.0), 5, 9)
    return tuple(source[i] for i in range(9))


TRUE = drive()[0].T_camera_lidar


class Graph:
    """The node, and somebody who plays the drive and hears what comes of it."""

    def __init__(self, context, camera="", **parameters):
        """`camera` is the name of the one that is played."""
        given = QUICK | {name.replace("__", "."): value for name, value in parameters.items()}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node = DriftMonitorNode(context=context, use_global_arguments=False, parameter_overrides=overrides)
        self.tester = Node("tester", context=context, use_global_arguments=False)
        self.heard = defaultdict(list)
        prefix = f"{camera}/" if camera else ""
        topics = {"image": prefix + "image", "camera_info": prefix + "camera_info", "points": "points"}
        self.senders = {
            name: self.tester.create_publisher(kind, topics[name], 5)
            for name, kind in (("image", Image), ("camera_info", CameraInfo), ("points", PointCloud2))
        }
        self.verdict = f"/drift_monitor/{prefix}verdict"
        self.tf = self.tester.create_publisher(TFMessage, "/tf_static", LATCHED)
        for kind, topic in (
            (PoseWithCovarianceStamped, "/drift_monitor/drift"), (DiagnosticArray, self.verdict),
            (DiagnosticArray, "/diagnostics"),
        ):  # fmt: skip
            self.tester.create_subscription(kind, topic, self.heard[topic].append, 20)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)
        senders = (*self.senders.values(), self.tf)
        assert self.until(lambda: all(s.get_subscription_count() for s in senders))
        assert self.until(lambda: self.tester.count_publishers(self.verdict))

    def until(self, condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.02)
        return True

    def calibrate(self, T_camera_lidar, lidar="lidar", camera="camera"):
        head = messages.header(START, lidar)
        self.tf.publish(TFMessage(transforms=[messages.transform_stamped(T_camera_lidar.inverse(), head, camera)]))
        self.until(lambda: False, 0.2)

    def play(self, indices, expected):
        """Send pairs; whether so many verdicts came of them."""
        before = len(self.heard[self.verdict])
        for index in indices:
            taken = self.entry().get("pairs", "0")
            self.send(index)
            self.until(lambda n=taken: self.entry().get("pairs", "0") != n, 10.0 if expected else 0.3)
        return self.until(lambda: len(self.heard[self.verdict]) >= before + expected)

    def send(self, index):
        pair = drive()[index].pair
        stamp = START + index * 10**9
        camera, lidar = messages.header(stamp, "camera"), messages.header(stamp, "lidar")
        self.senders["camera_info"].publish(messages.camera_info(pair.camera, camera))
        self.senders["points"].publish(messages.cloud_message(pair.cloud, lidar))
        self.senders["image"].publish(messages.image_message(pair.image, camera))

    def entry(self):
        """Values of the last diagnostics, of the first camera."""
        reports = self.heard["/diagnostics"]
        return {} if not reports else named(reports[-1].status[0])

    def ask(self, name):
        client = self.tester.create_client(Trigger, f"/drift_monitor/{name}")
        assert self.until(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        assert self.until(future.done)
        return future.result()

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()


def values(message):
    """Named values of the one entry."""
    (entry,) = message.status
    return named(entry)


def named(entry):
    return {"text": entry.message, "severity": entry.level} | {value.key: value.value for value in entry.values}


@pytest.fixture
def make(ros_context):
    graphs = []

    def build(**parameters):
        graphs.append(Graph(ros_context, **parameters))
        return graphs[-1]

    yield build
    for graph in graphs:
        graph.close()


def test_topics_and_services_are_those_that_are_written_down(make):
    assert interfaces_of(make().node) == written_interfaces("drift_monitor")


def test_a_drift_is_published_told_and_recorded_and_what_is_accepted_is_no_drift(make, tmp_path):
    file = tmp_path / "h.db"
    graph = make(monitor__history=str(file), node__calibration_dir=str(tmp_path / "saved"), monitor__vehicle="bus")
    assert "no pair with a nominal calibration" in graph.ask("accept").message
    graph.calibrate(TRUE.retract(-DRIFT))
    assert graph.play(range(6), 2)
    verdict = values(graph.heard["/drift_monitor/verdict"][-1])
    assert verdict["severity"] == messages.ERROR and verdict["rx"] == "moved" and "rx moved by" in verdict["text"]
    drift = graph.heard["/drift_monitor/drift"][-1]
    assert (drift.header.frame_id, drift.header.stamp) == ("camera", messages.time_message(START + 5 * 10**9))
    assert abs(2.0 * drift.pose.pose.orientation.x - DRIFT[3]) < np.radians(0.1)
    assert 0.0 < drift.pose.covariance[21] < np.radians(0.1) ** 2
    assert graph.until(lambda: graph.entry().get("windows") == "2")
    assert graph.entry()["severity"] == messages.ERROR and graph.entry()["vehicle"] == "bus"
    assert graph.ask("save").success
    told = yaml.safe_load((tmp_path / "saved" / "lidar_camera.yaml").read_text())
    assert "std_of_one_pair" not in told and told["std_of_calibration"]["rotation_deg"][0] < 0.1
    saved = read_nominal(tmp_path / "saved" / "lidar_camera.yaml", "camera", "lidar")
    assert np.degrees(np.abs(saved.local(TRUE)[3:]).max()) < 0.15
    assert "epoch 1" in graph.ask("accept").message
    assert graph.play(range(6, 9), 1)
    assert values(graph.heard["/drift_monitor/verdict"][-1])["rx"] != "moved"
    assert [(r["vehicle"], r["camera"], r["lidar"], r["epoch"]) for r in History(file).rows()] == [
        ("bus", "camera", "lidar", epoch) for epoch in (0, 0, 1)
    ]
    assert graph.ask("reset").success
    assert "nothing to save" in graph.ask("save").message


@pytest.mark.parametrize("suffix", ["yaml", "urdf"])
def test_the_nominal_calibration_may_be_a_file(make, tmp_path, suffix):
    write_calibration(tmp_path, TRUE, np.zeros(6), 1, "lidar", "camera")
    graph = make(monitor__nominal=str(tmp_path / f"lidar_camera.{suffix}"))
    assert graph.play(range(3), 1)
    assert "moved" not in values(graph.heard["/drift_monitor/verdict"][-1]).values()


def test_what_is_missing_is_said_and_no_verdict_comes_of_it(make, tmp_path):
    graph = make(node__tf_timeout_s=0.01)
    graph.play(range(2), 0)
    assert graph.until(lambda: "dropped.tf.missing" in graph.entry()) and graph.entry()["severity"] != messages.OK
    graph.calibrate(TRUE, lidar="roof", camera="rear")
    graph.play(range(2, 4), 0)
    assert not graph.heard["/drift_monitor/verdict"]
    graph.calibrate(TRUE)
    assert graph.play(range(4, 7), 1)


def test_a_nominal_calibration_that_never_stays_is_told(make):
    graph = make(monitor__network_pairs=0)
    for k in range(4):
        graph.calibrate(TRUE.retract(np.full(6, 1e-4 * k)))
        graph.play([k], 0)
    assert graph.until(lambda: "nominal calibration or its frames have changed" in graph.entry().get("text", ""))
    assert graph.entry()["severity"] == messages.WARN and not graph.heard["/drift_monitor/verdict"]
    assert graph.play([4, 5], 1)
    assert graph.until(lambda: "have changed" not in graph.entry()["text"])


def test_a_static_transform_that_changes_is_told_by_how_much(make):
    graph = make(monitor__network_pairs=0)
    graph.calibrate(TRUE)
    assert graph.play(range(3), 1)
    inverse = TRUE.inverse()
    graph.calibrate(Pose(inverse.rotation, inverse.translation + np.array([0.3, 0.0, 0.0])).inverse())
    graph.play([3], 0)
    assert graph.until(lambda: "have changed by 0.300 m, 0.0 deg" in graph.entry().get("text", ""))


def test_a_camera_frame_with_x_forward_is_named(make):
    graph = make(monitor__network_pairs=0)
    graph.calibrate(T_OPTICAL_BODY.inverse() @ TRUE)
    graph.play(range(3), 1)
    assert graph.until(lambda: "the frame 'camera' of the image is no optical frame" in graph.entry().get("text", ""))


def test_what_is_not_known_is_no_drift(make):
    graph = make(monitor__network_pairs=0, watch__min_nats=1e9)
    graph.calibrate(TRUE)
    assert graph.play(range(3), 1)
    assert "poor scene" in values(graph.heard["/drift_monitor/verdict"][-1])["text"]
    assert not graph.heard["/drift_monitor/drift"] and "nothing to save" in graph.ask("save").message


def test_a_service_says_what_came_of_each_camera(make, tmp_path):
    file = tmp_path / "h.db"
    graph = make(camera="left", node__cameras="left,right,rear", monitor__network_pairs=0, monitor__history=str(file))
    graph.calibrate(TRUE)
    assert graph.play(range(3), 1)
    answer = graph.ask("accept")
    assert not answer.success and "left: drift is counted from the present state" in answer.message
    assert "epoch" in answer.message and answer.message.count("no pair with") == 2
    known = History(file, read_only=True).latest(MonitoredRig("vehicle", "camera", "lidar"))
    assert known[0].epoch == 1 and known[1].reference is not None


class Gate:
    """Stands before a function of a module or class: its calls wait until the gate is opened."""

    def __init__(self, monkeypatch, owner, name):
        self.entered, self.opened, function = threading.Event(), threading.Event(), getattr(owner, name)

        def waiting(*arguments, **named):
            self.entered.set()
            self.opened.wait(20.0)
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, waiting)

    def open(self):
        self.opened.set()


def test_a_service_does_not_wait_for_ever_while_a_window_is_refined(make, monkeypatch):
    monkeypatch.setattr(monitor_channel, "PATIENCE_S", 0.1)
    refining = Gate(monkeypatch, session, "refine_window")
    graph = make(monitor__network_pairs=0)
    graph.calibrate(TRUE)
    assert graph.play(range(2), 0)
    graph.send(2)
    assert graph.until(refining.entered.is_set)
    answer = graph.ask("reset")
    refining.open()
    assert not answer.success and "ask again" in answer.message
    assert graph.until(lambda: graph.heard["/drift_monitor/verdict"])


def test_diagnostics_leave_a_monitor_alone_that_the_worker_has(make, monkeypatch):
    reading = Gate(monkeypatch, session.PairSignals, "of")
    graph = make(monitor__network_pairs=0)
    graph.calibrate(TRUE)
    reports = graph.heard["/diagnostics"]

    def two_more():
        """Two diagnostics that were made from now on."""
        now = len(reports)
        return graph.until(lambda: len(reports) > now + 2)

    graph.send(0)
    assert graph.until(reading.entered.is_set) and two_more() and "epoch" not in graph.entry()
    reading.open()
    assert graph.until(lambda: graph.entry().get("epoch") == "0")
    assert graph.play([1], 0)
    refining = Gate(monkeypatch, session, "refine_window")
    graph.send(2)
    assert graph.until(refining.entered.is_set)
    with monkeypatch.context() as patched:
        patched.setattr(SequentialTest, "verdict", lambda test, now: 1 / 0)  # nobody may ask it now
        assert two_more() and graph.entry()["epoch"] == "0"
    refining.open()
    assert graph.until(lambda: graph.heard["/drift_monitor/verdict"])


def test_row_46_a_lost_device_ends_the_monitor(make, monkeypatch):
    def lost(pair, nominal):
        raise DeviceError("the device is lost, start again")

    monkeypatch.setattr(localizer, "load_network_pose", lambda settings: lost)
    graph = make(monitor__network_pairs=1)
    graph.calibrate(TRUE)
    graph.send(0)
    with pytest.raises(DeviceError):  # with which the process ends with exit code 1
        graph.until(lambda: False, 20.0)
    with contextlib.suppress(DeviceError):
        graph.until(lambda: False, 0.2)
    assert graph.entry()["dropped.device_lost"] == "1"


def test_a_nominal_calibration_that_is_no_file_ends_the_start(ros_context):
    with pytest.raises(I2PError, match=r"no nominal calibration: /nowhere.yaml is no file"):
        Graph(ros_context, monitor__nominal="/nowhere.yaml")


def test_a_locked_history_is_told_and_nothing_is_lost(make, tmp_path, monkeypatch):
    monkeypatch.setattr(history_module, "BUSY_S", 0.1)
    file = tmp_path / "h.db"
    graph = make(monitor__history=str(file))
    graph.calibrate(TRUE)
    graph.play([0], 0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert graph.play(range(1, 3), 1)
    assert graph.until(lambda: "locked" in graph.entry().get("history", ""))
    assert graph.entry()["severity"] != messages.OK
    other.execute("ROLLBACK")
    assert graph.play(range(3, 6), 1)
    assert len(list(History(file).rows())) == 2


def test_the_security_policy_allows_what_the_node_does_and_no_more(make):
    graph = make(use_sim_time=True)
    policy = ElementTree.parse(resource("config/sros2_policy.xml"))
    profile = policy.find(".//profile[@node='drift_monitor']")

    def allowed(kind, action):
        (group,) = (g for g in profile.findall(kind) if g.get(action) == "ALLOW")
        return {entry.text.replace("~", "/drift_monitor") if "~" in entry.text else f"/{entry.text}" for entry in group}

    node = graph.node
    optional = {"/image/compressed", "/parameter_events"}  # by a parameter, and by what watches parameters
    assert {one.topic_name for one in node.subscriptions} == allowed("topics", "subscribe") - optional
    of_rcl = {"/rosout", "/drift_monitor/transition_event"}  # rcl makes these itself
    assert {one.topic_name for one in node.publishers} | of_rcl == allowed("topics", "publish")
    assert {one.service_name for one in node.services} <= allowed("services", "reply")

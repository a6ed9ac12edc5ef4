# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node can be asked for: services, pictures, several cameras, parameters that change while it runs."""

import re
import shlex
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from diagnostic_msgs.msg import DiagnosticArray
from helpers.graph import START, T_CAMERA_LIDAR, Graph, KnownLocalizer, estimate, made, sample, values
from helpers.interfaces import interfaces_of, written_interfaces
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import Marker, MarkerArray

from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import cloud_from_message
from i2p_ros.core.resources import resource
from i2p_ros.core.types import Correspondences
from i2p_ros.pnp import Calibration
from i2p_ros.pnp.solver import judged
from i2p_ros.ros import messages
from i2p_ros.ros.interface import DIAGNOSTICS
from i2p_ros.ros.nodes.calibration_files import median_pose
from i2p_ros.writers.calibration import roll_pitch_yaw


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def test_a_node_that_is_not_enabled_refuses_pairs_but_for_those_asked_for(make):
    graph = make()
    assert graph.ask(SetBool, "set_enabled", data=False).success
    said = graph.play(graph.messages(0))
    assert (said["status"], said["reason"]) == ("not_processed", "disabled") and not graph.localizer.pairs
    assert graph.ask(Trigger, "trigger").success
    assert [graph.play(graph.messages(k))["status"] for k in (1, 2)] == ["ok", "not_processed"]
    assert graph.ask(SetBool, "set_enabled", data=True).success
    assert graph.play(graph.messages(3))["status"] == "ok"


def test_after_a_reset_nothing_is_expected(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1)
    for k in range(3):
        graph.play(graph.messages(k))
    assert graph.localizer.priors[2] is not None and graph.ask(Trigger, "reset").success
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(3))["status"] == "ok" and graph.localizer.priors[3] is None


def test_a_calibration_is_saved_in_three_forms_that_agree(make, tmp_path):
    graph = make(node__calibration_dir=str(tmp_path / "new"))
    answer = graph.ask(Trigger, "save_calibration")
    assert not answer.success and "nothing to save" in answer.message
    offsets = np.random.default_rng(0).normal(size=(7, 6)) * 1e-3
    for k, offset in enumerate(offsets):
        graph.localizer.answer = lambda pair, d=offset: estimate(T_CAMERA_LIDAR.retract(d))
        graph.play(graph.messages(k))
    assert graph.ask(Trigger, "save_calibration").success
    files = {path.suffix: path.read_text() for path in (tmp_path / "new").iterdir()}
    known = yaml.safe_load(files[".yaml"])
    truth = T_CAMERA_LIDAR.retract(np.median(offsets, axis=0)).inverse()
    found = Pose.from_quaternion(list(known["rotation"].values()), list(known["translation"].values()))
    np.testing.assert_allclose(found.matrix, truth.matrix, atol=1e-5)
    assert (known["frame_id"], known["child_frame_id"], known["pairs"]) == ("lidar", "camera", 7)
    origin = ElementTree.fromstring(files[".urdf"]).find("origin")
    turn = Rotation.from_euler("xyz", [float(v) for v in origin.get("rpy").split()]).as_matrix()
    np.testing.assert_allclose(turn, found.rotation, atol=1e-7)
    np.testing.assert_allclose([float(v) for v in origin.get("xyz").split()], found.translation, atol=1e-7)
    words = shlex.split(files[".sh"])
    given = {name[2:]: value for name, value in pairwise(words) if name.startswith("--")}
    np.testing.assert_allclose([float(given[f"q{c}"]) for c in "xyzw"], found.quaternion, atol=1e-7)
    assert given["frame-id"] == "lidar" and given["child-frame-id"] == "camera"


def test_a_calibration_that_cannot_be_written_is_said(make, tmp_path):
    (tmp_path / "file").write_text("")
    graph = make(node__calibration_dir=str(tmp_path / "file"))
    graph.play(graph.messages())
    answer = graph.ask(Trigger, "save_calibration")
    assert not answer.success and "cannot write" in answer.message
    assert graph.play(graph.messages(1))["status"] == "ok"


@pytest.mark.parametrize("angles", [(0.1, -0.2, 3.0), (3.0, 1.5, -1.0), (0.0, np.pi / 2, 0.4), (0.3, -np.pi / 2, 0.4)])
def test_roll_pitch_and_yaw_are_those_of_urdf(angles):
    turn = Rotation.from_euler("xyz", angles).as_matrix()
    back = Rotation.from_euler("xyz", roll_pitch_yaw(Pose(turn, np.zeros(3)))).as_matrix()
    np.testing.assert_allclose(back, turn, atol=1e-7)


def test_the_median_of_poses_bears_a_wrong_one():
    rng = np.random.default_rng(1)
    poses = [T_CAMERA_LIDAR.retract(rng.normal(size=6) * 0.01) for _ in range(50)]
    poses[-1] = T_CAMERA_LIDAR.retract([9, 9, 9, 1, 0, 0])
    centre, std = median_pose(poses)
    assert np.abs(T_CAMERA_LIDAR.local(centre)).max() < 0.01 and (std < 0.03).all()


def test_pictures_are_made_only_while_somebody_listens(make):
    graph = make(node__overlay_hz=1000.0)
    points = np.random.default_rng(2).uniform(-9, 9, (25, 3))
    found = Correspondences(np.zeros((25, 2)), points, np.ones(25))
    whole = estimate()
    graph.localizer.answer = lambda pair: type(whole)(
        whole.status, pose=whole.pose, covariance=whole.covariance, correspondences=found, inliers=np.arange(25) < 20
    )
    graph.play(graph.messages(0))
    topics = {"/localizer/points_aligned": PointCloud2, "/localizer/matches": MarkerArray}
    for topic, kind in topics.items():
        graph.listen(kind, topic)
        assert graph.until(lambda t=topic: graph.tester.count_publishers(t) == 1)
    graph.until(lambda: False, 0.5)
    assert not any(graph.heard[topic] for topic in topics)
    graph.play(graph.messages(1))
    (aligned,), (lines,) = (graph.heard[topic] for topic in topics)
    expected = T_CAMERA_LIDAR.apply(sample(1).pair.cloud.xyz)
    np.testing.assert_allclose(cloud_from_message(aligned).xyz, expected, atol=1e-4)
    assert aligned.header == messages.header(START + 10**8, "camera")
    assert [len(marker.points) for marker in lines.markers] == [40, 10]
    assert all(marker.type == Marker.LINE_LIST and marker.header.frame_id == "lidar" for marker in lines.markers)


def test_what_is_withheld_may_be_changed_while_the_node_runs(make):
    graph = make()
    graph.localizer.answer = lambda pair: judged(estimate(), graph.localizer.settings.pnp, Calibration())
    graph.node.set_parameters([Parameter("pnp.min_confidence", value=0.9)])  # the estimate has 0.7
    assert graph.play(graph.messages(0))["status"] == "uncertain"
    graph.node.set_parameters([Parameter("pnp.min_confidence", value=0.5)])
    assert graph.play(graph.messages(1))["status"] == "ok"


def test_a_gate_may_be_opened_while_the_node_runs(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1)
    for k in range(3):
        graph.play(graph.messages(k))
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)
    assert graph.play(graph.messages(3))["status"] == "uncertain"
    graph.node.set_parameters([Parameter("tracking.gate", value=1e9)])
    assert graph.play(graph.messages(4))["status"] == "ok"


def off_diagonal(message):
    covariance = np.reshape(message.pose.covariance, (6, 6))
    return np.abs(covariance - np.diag(np.diag(covariance))).max()


def test_a_change_during_a_pair_applies_to_all_of_the_next_pair_and_nothing_of_this_one(make):
    graph = make()
    poses, known = graph.heard["/localizer/pose"], graph.localizer
    known.gate.clear()
    graph.send(graph.messages(0))
    assert graph.until(lambda: known.pairs)
    given = [Parameter("node.diagonal_covariance", value=True), Parameter("pnp.min_confidence", value=0.5)]
    assert graph.node.set_parameters_atomically(given).successful
    known.gate.set()
    assert graph.until(lambda: poses)
    assert graph.play(graph.messages(1))["status"] == "ok"
    used = [(s.node.diagonal_covariance, s.pnp.min_confidence) for s in known.settings_used]
    assert used == [(False, -1.0), (True, 0.5)]
    assert [off_diagonal(pose) > 0.0 for pose in poses] == [True, False]


def test_a_gate_that_is_opened_during_a_pair_lets_the_next_pair_pass(make):
    graph = make(tracking__prior="constant_velocity", tracking__speed_std=0.1)
    for k in range(3):
        graph.play(graph.messages(k))
    graph.localizer.answer = lambda pair: estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)
    graph.localizer.gate.clear()
    graph.send(graph.messages(3))
    assert graph.until(lambda: len(graph.localizer.pairs) == 4)
    graph.node.set_parameters([Parameter("tracking.gate", value=1e9)])
    graph.localizer.gate.set()
    answers = graph.heard["/localizer/status"]
    assert graph.until(lambda: len(answers) == 4) and values(answers[-1])["status"] == "uncertain"
    assert graph.play(graph.messages(4))["status"] == "ok"


def test_the_security_policy_allows_what_the_node_does_and_no_more(make):
    graph = make(use_sim_time=True, tracking__prior="odometry")
    profile = ElementTree.parse(resource("config/sros2_policy.xml")).find(".//profile")

    def allowed(kind, action):
        (group,) = (g for g in profile.findall(kind) if g.get(action) == "ALLOW")
        return {entry.text.replace("~", "/localizer") if "~" in entry.text else f"/{entry.text}" for entry in group}

    node = graph.node
    optional = {"/image/compressed", "/parameter_events"}  # by a parameter, and by what watches parameters
    assert {one.topic_name for one in node.subscriptions} == allowed("topics", "subscribe") - optional
    of_rcl = {"/rosout", "/localizer/transition_event"}  # rcl makes these itself
    assert {one.topic_name for one in node.publishers} | of_rcl == allowed("topics", "publish")
    assert {one.service_name for one in node.services} <= allowed("services", "reply")


def test_topics_and_services_are_those_that_are_written_down(make):
    assert interfaces_of(make(tracking__prior="odometry").node) == written_interfaces("localizer")


def test_diagnostics_have_the_keys_that_are_written_down(make):
    graph = make(node__diagnostics_s=0.1)
    graph.play(graph.messages(0))
    broken = graph.messages(1)
    broken["points"].point_step = 0
    graph.play(broken)
    reports = graph.heard["/diagnostics"]
    assert graph.until(lambda: any("cloud.layout" in v.key for v in reports[-1].status[0].values))
    keys = {re.sub(r"(dropped|without_prior)\..*", r"\1.<reason>", v.key) for v in reports[-1].status[0].values}
    written = {key for keys in DIAGNOSTICS["localizer"] for key in keys.split(", ")}
    examples = {"device", "covariance_ratio", "without_prior.<reason>"}
    assert keys <= written and written - examples <= keys


class Rig(Graph):
    """Two cameras and two lidars."""

    def joined(self):
        self.senders = {}
        for name in ("left", "right"):
            self.senders[name] = {
                "image": self.tester.create_publisher(type(self.messages()["image"]), f"{name}/image", 5),
                "info": self.tester.create_publisher(type(self.messages()["info"]), f"{name}/camera_info", 5),
            }
        for name in ("roof", "front"):
            self.senders[name] = {"points": self.tester.create_publisher(PointCloud2, f"{name}/points", 5)}
        self.joined = lambda: all(
            publisher.get_subscription_count() == 2 for group in self.senders.values() for publisher in group.values()
        )
        return self.joined()


def test_two_cameras_and_two_lidars_share_one_model(ros_context):
    rig = Rig(
        ros_context, KnownLocalizer(), node__cameras="left, right", node__lidars="roof,front", node__diagnostics_s=0.1
    )
    channels = [f"{camera}/{lidar}" for camera in ("left", "right") for lidar in ("roof", "front")]
    for channel in channels:
        rig.listen(DiagnosticArray, f"/localizer/{channel}/status")
        assert rig.until(lambda c=channel: rig.tester.count_publishers(f"/localizer/{c}/status"))
    rig.until(lambda: False, 0.3)
    parts = rig.messages()
    for name, senders in rig.senders.items():
        for kind, publisher in senders.items():
            parts[kind].header.frame_id = name
            publisher.publish(parts[kind])
    assert rig.until(lambda: all(rig.heard[f"/localizer/{channel}/status"] for channel in channels))
    for channel in channels:
        (status,) = rig.heard[f"/localizer/{channel}/status"]
        assert status.status[0].hardware_id == channel.split("/")[0] and status.header.frame_id == channel.split("/")[1]
    assert len(rig.localizer.pairs) == 4
    assert rig.until(lambda: len(rig.heard["/tf"]) == 4)
    sent = {(t.header.frame_id, t.child_frame_id) for message in rig.heard["/tf"] for t in message.transforms}
    assert sent == {(lidar, f"{camera}_estimated_{lidar}") for camera, lidar in (c.split("/") for c in channels)}
    assert rig.until(lambda: len(rig.heard["/diagnostics"][-1].status) == 4)
    assert {re.sub(".*localization", "", s.name) for s in rig.heard["/diagnostics"][-1].status} == {
        f" {channel.replace('/', ' ')}" for channel in channels
    }
    rig.close()

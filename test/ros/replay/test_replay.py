# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A source played into a localizer over topics, in one process and in two."""

import contextlib
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers import TESTS

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.graph import STANDARD_DEVIATIONS, START, T_CAMERA_LIDAR, KnownLocalizer, Samples, estimate, sample
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from i2p_ros.core.config import ReplaySettings, Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.messages import cloud_from_message, transform_from_stamped
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.ros.nodes.localizer_node import LocalizerNode
from i2p_ros.ros.replay.node import ReplayNode, in_words, of_row
from i2p_ros.ros.replay.player import prepare
from i2p_ros.ros.replay.playing import Pace, open_recording, replay, start_localizer, summary
from i2p_ros.ros.replay.rows import Pending
from i2p_ros.runtime.manifest import models_folder, read_manifest
from i2p_ros.sources.perturb import perturbed


@pytest.fixture
def localizer(ros_context):
    """A node in a thread of this process."""
    known = KnownLocalizer()
    often = [Parameter("node.diagnostics_s", value=0.1)]
    node = LocalizerNode(
        lambda settings: known, context=ros_context, use_global_arguments=False, parameter_overrides=often
    )

    def spin():
        with contextlib.suppress(ExternalShutdownException):
            node.run()

    thread = threading.Thread(target=spin)
    thread.start()
    yield known
    known.gate.set()
    ros_context.try_shutdown()
    thread.join(5.0)
    node.destroy_node()


def options(**values):
    return ReplaySettings(rate=0.0, timeout_s=10.0).model_copy(update=values)


def test_every_pair_is_answered_in_order_and_compared_with_the_truth(localizer):
    order = []
    rows = replay(Samples(5), options(), on_row=lambda row: order.append(row.index))
    assert [row.index for row in rows] == order == [0, 1, 2, 3, 4]
    assert [row.stamp for row in rows] == [START + index * 10**8 for index in range(5)]
    for row in rows:
        for pose in (row.truth, row.estimate.pose):
            np.testing.assert_allclose(pose.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)
        assert 0 < row.latency_ms < 5000
        assert row.estimate.n_inliers == 25 and row.estimate.seconds["network"] == 0.001
        assert row.estimate.residual_px == 1.5 and row.estimate.confidence == 0.7
        np.testing.assert_allclose(row.estimate.covariance, np.diag(STANDARD_DEVIATIONS**2), atol=1e-12)
    numbers = summary(rows)
    assert numbers["anees"] == pytest.approx(0.0, abs=1e-12) and numbers["coverage"]["0.5"] == 1.0
    assert (numbers["pairs"], numbers["processed"], numbers["localized"], numbers["dropped"]) == (5, 5, 5, 0)
    assert numbers["recall_025m_1deg"] == 1.0 and numbers["latency_ms"]["median"] > 0
    assert "processed 5" in in_words(rows) and "recall_2m_5deg 1.000" in in_words(rows)
    assert "off by 0.00 m" in of_row(rows[0])


class Damaged(Samples):
    """A source of which some cannot be read."""

    def __getitem__(self, index):
        if index in (0, 3):
            raise InputError(f"pair {index} is damaged", "image.length")
        return super().__getitem__(index)


def test_what_cannot_be_read_is_passed_over_and_told(localizer):
    lost = []
    rows = replay(Damaged(5), options(), on_lost=lost.append)
    assert [row.index for row in rows] == [1, 2, 4] and all(row.processed for row in rows)
    assert [error.reason for error in lost] == ["image.length"] * 2
    assert replay(Damaged(1), options(), on_lost=lost.append) == [] and len(lost) == 3


def test_perturbed_clouds_have_a_truth_and_a_frame_of_their_own(localizer):
    rows = replay(Samples(2), options(perturb="vp2p", seed=4))
    for index, row in enumerate(rows):
        expected, _ = perturbed(sample(index), "vp2p", 4, index)
        np.testing.assert_allclose(row.truth.matrix, expected.T_camera_lidar.matrix)
        np.testing.assert_allclose(localizer.pairs[index].cloud.xyz, expected.pair.cloud.xyz)
        assert row.score().rte_m > 0.01  # the localizer still answers with the unperturbed pose
    prepared = prepare(0, sample(0), options(perturb="vp2p", seed=4))
    assert prepared.cloud.header.frame_id == "lidar_perturbed" and len(cloud_from_message(prepared.cloud)) == 500


def test_frames_tell_where_everything_is(localizer, ros_context):
    listener = Node("listener", context=ros_context, use_global_arguments=False)
    heard = {}

    def keep(message):
        for transform in message.transforms:
            parent, child, pose = transform_from_stamped(transform)
            heard[child] = (parent, pose)

    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listener.create_subscription(TFMessage, "/tf", keep, 100)
    listener.create_subscription(TFMessage, "/tf_static", keep, latched)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(listener)
    end = time.monotonic() + 5
    while not listener.count_publishers("/tf") and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    replay(Samples(1), options(perturb="sixdof"), check=lambda: executor.spin_once(timeout_sec=0.01))
    end = time.monotonic() + 3
    while len(heard) < 4 and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    listener.destroy_node()
    assert {child: parent for child, (parent, _) in heard.items()} == {
        "camera_optical_frame": "lidar",
        "lidar_perturbed": "lidar",
        "camera_optical_frame_truth": "lidar_perturbed",
        "camera_optical_frame_estimated": "lidar_perturbed",
    }
    calibration = heard["camera_optical_frame"][1]
    through_cloud = heard["lidar_perturbed"][1] @ heard["camera_optical_frame_truth"][1]
    np.testing.assert_allclose(through_cloud.matrix, calibration.matrix, atol=1e-9)
    np.testing.assert_allclose(calibration.matrix, T_CAMERA_LIDAR.inverse().matrix, atol=1e-9)


def test_pairs_without_a_pose_and_pairs_that_are_refused(localizer):
    localizer.answer = lambda pair: PoseEstimate(Status.TOO_FEW_MATCHES, "3 matches")
    (row,) = replay(Samples(9), options(limit=1))
    assert row.estimate.status is Status.TOO_FEW_MATCHES and row.estimate.reason == "3 matches" and row.processed
    assert of_row(row) == "no pose, too_few_matches: 3 matches"
    assert summary([row])["recall_2m_5deg"] == 0.0


def test_in_real_time_a_slow_localizer_drops_pairs_and_says_so(localizer):
    def slowly(pair):
        time.sleep(0.25)
        return estimate()

    localizer.answer = slowly
    started = time.monotonic()
    rows = replay(Samples(8), options(rate=1.0))
    assert 0.7 < time.monotonic() - started < 6
    assert len(rows) == 8 and 2 <= summary(rows)["processed"] <= 6
    assert summary(rows)["dropped"] == 8 - summary(rows)["processed"]
    assert {row.estimate.reason for row in rows if not row.processed} <= {
        "a newer pair arrived before this one was processed",
        "no answer",
    }


def test_without_a_localizer_it_says_what_to_do(ros_network):
    with pytest.raises(InputError, match=r"no node /elsewhere listens .* ROS_DOMAIN_ID"):
        replay(Samples(1), options(localizer="elsewhere", timeout_s=0.3))


def test_the_check_can_end_it(ros_network):
    def died():
        raise I2PError("the node is gone")

    with pytest.raises(I2PError, match="gone"):
        replay(Samples(1), options(), check=died)


def test_stamps_grow_and_gaps_are_cut():
    pace = Pace(0.0)
    recorded = [0, 0, 10**8, 3 * 10**8, 3600 * 10**9, 5]
    played = [pace.stamp(stamp) for stamp in recorded]
    assert np.diff(played).tolist() == [10**8, 10**8, 2 * 10**8, 10**9, 10**8] and played[0] > 0
    assert pace.seconds_until(played[-1]) == 0.0


def test_pace_is_that_of_the_recording():
    pace = Pace(2.0)
    assert pace.seconds_until(START) == 0.0
    assert 0.9 < pace.seconds_until(START + 2 * 10**9) <= 1.0


def test_an_answer_is_whole_when_pose_and_status_are_there():
    pending = Pending(0, "a", START, None, None)
    assert pending.row().estimate.reason == "no answer" and np.isnan(pending.row().latency_ms)
    pending.answered("", {"status": "ok", "inliers": "7"})
    assert not pending.complete and pending.row().estimate.status is Status.NOT_PROCESSED
    pending.located(T_CAMERA_LIDAR.inverse(), np.eye(6))
    assert pending.complete and pending.row().estimate.status is Status.OK
    with pytest.raises(InputError, match="no calibration"):
        pending.row().score()


def test_the_covariance_on_the_topic_is_kept_as_that_of_the_pose():
    rng = np.random.default_rng(0)
    root = np.diag([0.1, 0.2, 0.3, 0.01, 0.02, 0.03]) @ rng.normal(size=(6, 6))
    off = rng.multivariate_normal(np.zeros(6), 1e-4 * root @ root.T, 4000)
    T_cloud_camera = T_CAMERA_LIDAR.inverse()
    seen = np.cov([T_cloud_camera.local(T_CAMERA_LIDAR.retract(d).inverse()) for d in off], rowvar=False)
    pending = Pending(0, "a", START, T_CAMERA_LIDAR, None)
    pending.answered("", {"status": "ok", "inliers": "7"})
    pending.located(T_cloud_camera, seen)
    np.testing.assert_allclose(pending.row().estimate.covariance, np.cov(off, rowvar=False), atol=1e-3 * off.var())
    assert pending.row().score().nees == pytest.approx(0.0, abs=1e-9)


def test_without_data_a_synthetic_drive_is_opened():
    source = open_recording(Settings(replay=ReplaySettings(limit=3, seed=5)))
    assert len(source) == 3 and "drive" in source.name


def test_a_kitti_drive_is_opened_with_one_camera(kitti_root):
    settings = Settings(replay=ReplaySettings(data=str(kitti_root / "odometry"), drive="04", limit=2))
    source = open_recording(settings)
    assert [source[i].pair.name for i in range(2)] == ["04/000000/image_2", "04/000001/image_2"]


NODE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {test!r})
from helpers.graph import KnownLocalizer, estimate
from i2p_ros.ros.nodes.localizer_node import LocalizerNode
from i2p_ros.ros.running import run

known = KnownLocalizer()
known.answer = lambda pair: (time.sleep({sleep}), estimate())[1]
sys.exit(run(lambda: LocalizerNode(lambda settings: known)))
"""


@pytest.fixture
def starts(monkeypatch, tmp_path):
    """Lets start_localizer start a script instead of the node."""
    popen = subprocess.Popen

    def with_script(text):
        script = tmp_path / "node.py"
        script.write_text(text)

        def start(command, **arguments):
            where = command.index("-m")
            return popen([command[0], str(script), *command[where + 3 :]], **arguments)

        monkeypatch.setattr("i2p_ros.ros.replay.process.subprocess.Popen", start)

    return with_script


def node_script(sleep=0.0):
    """A localizer node whose answers are known."""
    return NODE.format(test=str(TESTS), sleep=sleep)


def test_two_processes(starts):
    starts(node_script())
    settings = Settings(replay=options(image_transport="compressed"), node={"diagnostics_s": 0.1})
    before = dict(os.environ)
    with start_localizer(settings) as process:
        rows = replay(Samples(4), settings.replay, check=process.check)
    assert process.popen.returncode == 0
    assert summary(rows)["localized"] == 4
    assert dict(os.environ) == before


def test_a_node_that_cannot_start_is_reported_with_its_last_words(starts):
    starts("import sys; print('error: the weights are damaged'); sys.exit(1)")
    with pytest.raises(I2PError, match=r"exit code 1:\nerror: the weights are damaged"), start_localizer(Settings()):
        pass


def test_a_node_that_never_gets_ready_is_given_up(starts):
    starts("import time; time.sleep(60)")
    with pytest.raises(I2PError, match="not ready after 1 s"), start_localizer(Settings(), timeout_s=1.0):
        pass


@pytest.mark.parametrize(
    ("module", "parameter", "said"),
    [
        ("localizer", "pnp.treshold_deg:=3.0", "pnp.treshold_deg"),
        ("replay", "replay.data:=/no/such/folder", "/no/such/folder does not exist"),
    ],
)
def test_what_cannot_work_ends_with_one_line_and_exit_code_1(ros_network, module, parameter, said):
    command = [sys.executable, "-m", "i2p_ros.ros", module, "--ros-args", "-p", parameter]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith("error: ") and said in line


def test_the_replay_node_ends_with_a_summary(localizer, ros_context, capfd):
    given = {"replay.limit": 2, "replay.rate": 0.0, "synthetic.points": 2000, "synthetic.width": 64}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    node = ReplayNode(context=ros_context, use_global_arguments=False, parameter_overrides=overrides)
    node.run()
    node.destroy_node()
    told = capfd.readouterr()
    assert "playing 2 pairs of synthetic" in told.err
    assert told.out.startswith("pairs 2, processed 2, localized 2, dropped 0\n") and "rte_m median" in told.out


@pytest.mark.parametrize("model", read_manifest(models_folder()))
def test_a_shipped_model_in_a_process_of_its_own(model):
    settings = Settings(model=model, replay=options(limit=2, perturb="vp2p", timeout_s=60.0))
    with start_localizer(settings) as process:
        rows = replay(open_recording(settings), settings.replay, check=process.check)
    assert process.popen.returncode == 0 and [row.processed for row in rows] == [True, True]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores, judged by scipy and by cases worked out by hand."""

import json
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_ros.core.geometry import Pose
from i2p_ros.core.metrics import DEFINITIONS, Score, euler_xzy_deg, score, summarise
from i2p_ros.core.types import PoseEstimate, Status


def test_euler_angles_against_scipy() -> None:
    for rotation in Rotation.random(200, random_state=0):
        ours, theirs = euler_xzy_deg(rotation.as_matrix()), rotation.as_euler("xzy", degrees=True)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("b", [90.0, -90.0])
def test_euler_angles_at_the_lock_still_make_the_rotation(b: float) -> None:
    rotation = Rotation.from_euler("xzy", [20.0, b, 30.0], degrees=True).as_matrix()
    again = Rotation.from_euler("xzy", euler_xzy_deg(rotation), degrees=True).as_matrix()
    np.testing.assert_allclose(again, rotation, atol=1e-9)


def test_errors_as_vp2p_match_defines_them() -> None:
    rng = np.random.default_rng(0)
    truth = Pose.from_rotvec(rng.normal(size=3), rng.normal(size=3))
    estimate = truth.retract(rng.normal(size=6) * 0.1)
    got = score(PoseEstimate(Status.OK, pose=estimate), truth, "drive/1")
    rest = np.linalg.inv(estimate.matrix) @ truth.matrix
    axes = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])  # of a camera: right, down, forward
    angles = Rotation.from_matrix(axes @ rest[:3, :3] @ axes.T).as_euler("xzy", degrees=True)
    assert got.rte_m == pytest.approx(np.linalg.norm(rest[:3, 3]))
    assert got.rre_deg == pytest.approx(np.abs(angles).sum())
    assert got.rre_geodesic_deg == pytest.approx(np.degrees(Rotation.from_matrix(rest[:3, :3]).magnitude()))
    centres = np.linalg.inv(estimate.matrix)[:3, 3] - np.linalg.inv(truth.matrix)[:3, 3]
    assert got.rte_camera_m == pytest.approx(np.linalg.norm(centres))


def test_turning_the_camera_in_place_moves_the_cloud_origin_only() -> None:
    truth = Pose.from_rotvec([0.0, 0.0, 0.0], [0.0, 0.0, 10.0])  # the cloud's origin 10 m ahead of the camera
    turned = Pose.from_rotvec([0.0, np.radians(1.0), 0.0]) @ truth
    got = score(PoseEstimate(Status.OK, pose=turned), truth)
    assert got.rte_camera_m == pytest.approx(0.0, abs=1e-12)
    assert got.rte_m == pytest.approx(20.0 * math.sin(math.radians(0.5)))
    assert got.rre_deg == pytest.approx(1.0) and got.rre_geodesic_deg == pytest.approx(1.0)


def test_score_keeps_what_the_estimate_says() -> None:
    inliers = np.array([True, False, True])
    estimate = PoseEstimate(
        Status.OK, pose=Pose.identity(), inliers=inliers, confidence=0.5, seconds={"network": 0.1, "pose": 0.02}
    )
    got = score(estimate, Pose.identity(), "a/b")
    assert (got.name, got.inliers, got.confidence) == ("a/b", 2, 0.5)
    assert got.latency_ms == pytest.approx(120.0) and got.stages_ms == pytest.approx({"network": 100.0, "pose": 20.0})


def test_a_pair_without_a_pose_has_no_errors() -> None:
    got = score(PoseEstimate(Status.DEGENERATE, "a line"), Pose.identity())
    assert (got.rte_m, got.rre_deg, got.rte_camera_m, got.rre_geodesic_deg) == (None, None, None, None)
    assert got.reason == "a line" and not got.within(1e9, 1e9) and not got.within_geodesic(1e9, 1e9)


def test_summary_counts_misses_in_recall_but_not_in_means() -> None:
    def ok(rte: float, rre: float, ms: float) -> Score:
        return Score("d/0", Status.OK, rte, 2.0 * rte, rre, 0.5 * rre, 10, 0.1, ms)

    scores = [
        ok(0.1, 0.5, 10.0),
        ok(0.4, 1.5, 20.0),
        ok(3.0, 1.0, 30.0),  # too far
        Score("d/3", Status.NO_CONSENSUS, latency_ms=40.0),
    ]
    got = summarise(scores)
    assert (got["n"], got["localized"]) == (4, 3)
    assert (got["recall_2m_5deg"], got["recall_05m_2deg"], got["recall_025m_1deg"]) == (0.5, 0.5, 0.25)
    assert got["recall_05m_2deg_geodesic"] == 0.25  # the second camera is 0.8 m off
    assert got["rte_m"] == pytest.approx({"mean": 3.5 / 3, "std": np.std([0.1, 0.4, 3.0]), "median": 0.4, "n": 3})
    assert got["latency_ms"] == pytest.approx({"median": 25.0, "p95": 38.5})
    assert got["status"] == {"no_consensus": 1, "ok": 3}


def test_limits_themselves_are_outside() -> None:
    at = Score("d/0", Status.OK, 2.0, 2.0, 5.0, 5.0)
    assert summarise([at])["recall_2m_5deg"] == 0.0 and summarise([at])["recall_2m_5deg_geodesic"] == 0.0


@pytest.mark.parametrize("scores", [[], [Score("d/0", Status.BAD_INPUT)]])
def test_nothing_localized_is_null_and_valid_json(scores: list[Score]) -> None:
    got = json.loads(json.dumps(summarise(scores), allow_nan=False))
    assert got["rte_m"] == {"mean": None, "std": None, "median": None, "n": 0}
    assert got["recall_2m_5deg"] == (0.0 if scores else None)


def test_every_number_is_defined() -> None:
    assert set(summarise([])) - {"definitions"} == set(DEFINITIONS)


@pytest.mark.parametrize("yaw", [5.0, 91.0, 179.0, -170.0])
def test_a_turn_about_the_up_axis_is_one_euler_angle(yaw: float) -> None:
    turned = Pose.from_rotvec([0.0, 0.0, np.radians(yaw)])
    got = score(PoseEstimate(Status.OK, pose=turned), Pose.identity())
    assert got.rre_deg == pytest.approx(abs(yaw)) and got.rre_geodesic_deg == pytest.approx(abs(yaw))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores, judged by scipy and by cases worked out by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from i2p_ros.core.camera import Camera
from i2p_ros.core.consistency import AXES
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud, PoseEstimate, Status
from i2p_ros.evaluation.definitions import COVARIANCE, DEFINITIONS, KINDS, SPREAD
from i2p_ros.evaluation.metrics import Score, euler_xzy_deg, overlap, score
from i2p_ros.evaluation.summary import spread, summarise


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


def test_coverage_is_counted_by_the_level_sets_of_the_stated_distribution() -> None:
    """At a NEES of 4.5, a Gaussian's ellipsoid of 50 % holds the truth, that of 6 degrees of freedom does not."""
    truth = Pose.identity()
    covariance = np.diag(VARIANCES)
    off = Pose(np.eye(3), np.sqrt(4.5 * VARIANCES) * [1, 0, 0, 0, 0, 0] @ np.eye(6, 3))
    scores = [
        score(PoseEstimate(Status.OK, pose=off, covariance=covariance, confidence=0.8, degrees_of_freedom=nu), truth)
        for nu in (6.0, math.inf)
    ]
    assert [s.degrees_of_freedom for s in scores] == [6.0, None]
    assert [summarise([s])["coverage"]["0.5"] for s in scores] == [0.0, 1.0]
    both = summarise(scores)
    assert both["coverage"]["0.5"] == 0.5 and both["nees_median"] == pytest.approx(4.5, rel=0.01)
    assert both["wrong_rate"] == 0.0 and both["brier"] == pytest.approx(0.04)
    assert both["weak_directions"]["tx"] == both["unseen_directions"]["tx"] == 0.0
    assert json.loads(json.dumps(both, allow_nan=False)) == both


def test_a_pose_off_by_more_than_2_m_or_5_deg_is_wrong() -> None:
    for metres, degrees, wrong in ((1.9, 4.9, 0.0), (2.1, 0.0, 1.0), (0.0, 5.1, 1.0)):
        off = Pose.from_rotvec([0.0, np.radians(degrees), 0.0], [metres, 0.0, 0.0])
        got = summarise([score(PoseEstimate(Status.OK, pose=off, confidence=0.9), Pose.identity())])
        assert got["wrong_rate"] == wrong and got["brier"] == pytest.approx(0.81 if wrong else 0.01)


def test_score_keeps_what_the_estimate_says() -> None:
    inliers = np.array([True, False, True])
    estimate = PoseEstimate(
        Status.OK, pose=Pose.identity(), inliers=inliers, confidence=0.5, seconds={"network": 0.1, "pose": 0.02}
    )
    got = score(estimate, Pose.identity(), "a/b")
    assert (got.name, got.inliers, got.confidence) == ("a/b", 2, 0.5)
    assert got.T_estimated == (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    assert got.latency_ms == pytest.approx(120.0) and got.stages_ms == pytest.approx({"network": 100.0, "pose": 20.0})


def test_a_pair_without_a_pose_has_no_errors() -> None:
    got = score(PoseEstimate(Status.DEGENERATE, "a line"), Pose.identity())
    assert (got.rte_m, got.rre_deg, got.rte_camera_m, got.rre_geodesic_deg) == (None, None, None, None)
    assert got.reason == "a line" and not got.within(1e9, 1e9) and not got.within_geodesic(1e9, 1e9)


VARIANCES = np.array([0.1, 0.2, 0.2, 0.01, 0.02, 0.02]) ** 2


def test_a_score_measures_the_error_by_the_covariance_about_the_camera() -> None:
    truth = Pose.from_rotvec([0.0, 0.0, 0.0], [0.0, 0.0, 10.0])
    moved = Pose(truth.rotation, truth.translation - [0.3, 0.0, -0.2])  # the camera 0.3 m right, 0.2 m back
    lever = np.eye(6)
    lever[0, 4], lever[1, 3] = 10.2, -10.2  # turning the camera moves the far origin of the cloud
    lever[1, 5], lever[2, 4] = -0.3, 0.3
    got = score(PoseEstimate(Status.OK, pose=moved, covariance=lever @ np.diag(VARIANCES) @ lever.T), truth)
    assert got.z == pytest.approx((3.0, 0.0, -1.0, 0.0, 0.0, 0.0))
    assert got.nees == pytest.approx(10.0) and got.std_m == pytest.approx(0.3)
    assert got.std_deg == pytest.approx(np.degrees(0.03)) and (got.failed, got.junk) == (False, False)


@pytest.mark.parametrize("covariance", [None, np.zeros((6, 6)), np.full((6, 6), np.nan), -np.eye(6)])
def test_without_a_usable_covariance_there_are_errors_but_no_measure(covariance: np.ndarray | None) -> None:
    got = score(PoseEstimate(Status.OK, pose=Pose.identity(), covariance=covariance), Pose.identity())
    assert (got.nees, got.z, got.std_m, got.std_deg) == (None, None, None, None) and got.rte_m == 0.0
    assert summarise([got])["anees"] is None and summarise([got])["junk_rate"] == 0.0


def test_a_withheld_pose_has_no_errors_but_is_known_to_be_wrong_or_not() -> None:
    far = Pose.identity().retract([6.0, 0, 0, 0, 0, 0])
    got = score(PoseEstimate(Status.UNCERTAIN, withheld=far, covariance=np.eye(6), confidence=0.1), Pose.identity())
    assert (got.failed, got.junk, got.rte_m, got.nees) == (True, True, None, None)
    turned = Pose.from_rotvec([0.0, 0.0, np.radians(3.0)])
    got = score(PoseEstimate(Status.UNCERTAIN, withheld=turned), Pose.identity())
    assert (got.failed, got.junk) == (True, False)


def answered(rng: np.random.Generator, name: str, scale: float = 1.0) -> Score:
    """An estimate that errs by VARIANCES and says scale times that."""
    estimate = Pose.identity().retract(rng.normal(size=6) * np.sqrt(VARIANCES))
    said = scale * np.diag(VARIANCES)
    return score(PoseEstimate(Status.OK, pose=estimate, covariance=said, confidence=0.9), Pose.identity(), name)


@pytest.mark.parametrize(("scale", "ratio", "held"), [(1.0, 1.0, 0.95), (0.25, 4.0, 0.21)])
def test_the_summary_tells_a_true_covariance_from_one_too_small(scale: float, ratio: float, held: float) -> None:
    rng = np.random.default_rng(0)
    scores = [answered(rng, str(k), scale) for k in range(1000)]
    got = summarise(scores)
    assert got["anees_ratio"] == pytest.approx(ratio, rel=0.1) and got["anees"] == pytest.approx(6 * got["anees_ratio"])
    assert got["coverage"]["0.95"] == pytest.approx(held, abs=0.04) and list(got["coverage_axes"]) == list(AXES)
    low, high = got["intervals"]["anees_ratio"]
    assert low < ratio < high and high - low < 0.2 * ratio
    assert got["nees_median"] == pytest.approx(5.348 * ratio, rel=0.1)
    assert summarise([replace(s, std_m=s.rte_camera_m) for s in scores])["ause"] == 0.0
    assert got["calibration_error"] < 0.03 if scale == 1.0 else got["calibration_error"] > 0.2


def test_confidence_is_judged_over_all_that_was_found_and_junk_over_what_was_published() -> None:
    def found(published: bool, confidence: float, metres: float) -> Score:
        where = Pose.identity().retract([metres, 0, 0, 0, 0, 0])
        if published:
            return score(PoseEstimate(Status.OK, pose=where, confidence=confidence), Pose.identity())
        return score(PoseEstimate(Status.UNCERTAIN, withheld=where, confidence=confidence), Pose.identity())

    scores = [found(True, 0.9, 0.1), found(True, 0.8, 6.0), found(True, 0.7, 0.1), found(True, 0.6, 2.0)]
    scores += [found(False, 0.2, 9.0), found(False, 0.1, 0.2), Score("", Status.NO_CONSENSUS)]
    got = summarise(scores)
    assert got["auroc"] == pytest.approx(5 / 9)  # of 3 failures and 3 successes
    assert got["auroc_junk"] == pytest.approx(4 / 8)
    assert (got["junk_rate"], got["availability"]) == (pytest.approx(1 / 4), pytest.approx(4 / 7))
    assert summarise(scores[:1])["auroc"] is None


def test_intervals_draw_whole_drives() -> None:
    rng = np.random.default_rng(0)
    over_confident = [answered(rng, f"b/{k}", 0.1) for k in range(50)]
    scores = [answered(rng, f"a/{k}") for k in range(50)] + over_confident
    low, high = summarise(scores)["intervals"]["anees_ratio"]
    each = [summarise(part)["anees_ratio"] for part in (scores[:50], over_confident)]
    assert (low, high) == pytest.approx(tuple(each))  # two drives: all of the one or all of the other
    assert summarise(scores)["intervals"]["junk_rate"] == [0.0, 0.0]
    one = summarise(over_confident)["intervals"]["anees_ratio"]
    assert low < one[0] < each[1] < one[1]  # blocks of 10 within the drive
    assert set(summarise(over_confident[:10])["intervals"].values()) == {None}  # a single block tells nothing


def test_a_pair_of_several_seeds_stays_in_its_block() -> None:
    rng = np.random.default_rng(0)
    once = [answered(rng, f"drive/{k}") for k in range(45)]
    thrice, alone = summarise([*once, *once, *once])["intervals"], summarise(once)["intervals"]
    assert alone["anees_ratio"][1] > 1.05 * alone["anees_ratio"][0]
    assert thrice["anees_ratio"] == pytest.approx(alone["anees_ratio"])  # three times the same is no more evidence


@pytest.mark.parametrize(
    ("kind", "metres", "degrees", "status"),
    [
        ("right", 1.9, 4.9, Status.OK),
        ("near_miss", 2.1, 1.0, Status.OK),
        ("near_miss", 0.1, 6.0, Status.OK),
        ("elsewhere", 5.1, 1.0, Status.OK),
        ("elsewhere", 0.1, 149.0, Status.OK),
        ("flipped", 0.1, 151.0, Status.OK),
        ("flipped", 9.0, -179.0, Status.OK),
        ("uncertain", 0.1, 0.1, Status.UNCERTAIN),
        ("degenerate", None, None, Status.DEGENERATE),
    ],
)
def test_kinds_of_failures(kind: str, metres: float | None, degrees: float | None, status: Status) -> None:
    pose = None if metres is None else Pose.from_rotvec([0, 0, np.radians(degrees)], [0, metres, 0])
    estimate = PoseEstimate(status, pose=pose) if status is Status.OK else PoseEstimate(status, withheld=pose)
    got = score(estimate, Pose.identity())
    assert got.kind == kind
    failures = summarise([got, got])["failures"]
    assert failures == {key: 0 for key in KINDS if key != "right"} | ({} if kind == "right" else {kind: 2})
    assert got.junk == (kind in ("elsewhere", "flipped")) or got.junk is None


def test_overlap_is_the_share_of_the_circle_that_the_image_sees() -> None:
    angle = np.linspace(0, 2 * np.pi, 7200, endpoint=False)
    ring = np.column_stack([np.sin(angle), np.zeros(7200), np.cos(angle)]).astype(np.float32)
    xyz = np.concatenate([ring, np.full((100, 3), np.nan, np.float32)])
    camera = Camera(100.0, 100.0, 100.0, 10.0, 201, 21)
    pair = Pair(np.zeros((21, 201, 3), np.uint8), camera, PointCloud(xyz))
    assert overlap(pair, Pose.identity()) == pytest.approx(math.degrees(2 * math.atan(1.005)) / 360, abs=1e-3)
    assert overlap(pair, Pose(np.eye(3), np.array([0.0, 0.0, 2.0]))) == 1.0
    assert overlap(replace(pair, cloud=PointCloud(np.zeros((0, 3), np.float32))), Pose.identity()) == 0.0


def test_spread_is_over_the_summaries_that_have_a_figure() -> None:
    found = [summarise([Score("", Status.OK, e, e, 1.0, 1.0), Score("", Status.NO_CONSENSUS)]) for e in (0.1, 0.4, 3.0)]
    got = spread([*found, summarise([Score("", Status.NO_CONSENSUS)])])
    assert list(got) == list(SPREAD)
    assert got["recall_2m_5deg"] == pytest.approx({"mean": 1 / 4, "min": 0.0, "max": 0.5})
    assert got["rte_m.mean"] == pytest.approx({"mean": 3.5 / 3, "min": 0.1, "max": 3.0})
    assert got["anees_ratio"] == {"mean": None, "min": None, "max": None}


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
    assert got["availability"] == (0.0 if scores else None) and got["anees"] is None and got["auroc"] is None
    assert got["coverage"] == dict.fromkeys(["0.5", "0.9", "0.95", "0.99"])
    assert got["coverage_axes"] == dict.fromkeys(AXES) and set(got["intervals"].values()) == {None}


def test_every_number_is_defined() -> None:
    assert set(summarise([])) - {"definitions"} == set(DEFINITIONS) >= set(COVARIANCE)


@pytest.mark.parametrize("yaw", [5.0, 91.0, 179.0, -170.0])
def test_a_turn_about_the_up_axis_is_one_euler_angle(yaw: float) -> None:
    turned = Pose.from_rotvec([0.0, 0.0, np.radians(yaw)])
    got = score(PoseEstimate(Status.OK, pose=turned), Pose.identity())
    assert got.rre_deg == pytest.approx(abs(yaw)) and got.rre_geodesic_deg == pytest.approx(abs(yaw))

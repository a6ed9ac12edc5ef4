# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the indoor benchmarks, against values that are worked out by hand."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from i2p_ros.core.camera import Camera
from i2p_ros.core.depths import AXES
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Correspondences, Pair, PointCloud, PoseEstimate, Prior, Sample, Status
from i2p_ros.evaluation.definitions import DEFINITIONS, INDOOR
from i2p_ros.evaluation.indoor import IndoorRow, IndoorScore, indoor_score, indoor_summary, registration_rmse
from i2p_ros.evaluation.report import rendered
from i2p_ros.evaluation.runner import evaluate

CAMERA = Camera(585.0, 585.0, 320.0, 240.0, 640, 480)
T_TRUE = Pose.from_rotvec([0.1, -0.2, 0.05], [0.3, -0.1, 0.2]) @ AXES


def sample(n: int = 200, depth: bool = True) -> Sample:
    """Points seen at whole pixels of an image whose depth varies by 1 m, and the depth there."""
    rng = np.random.default_rng(4)
    pixels = np.column_stack([rng.permutation(640)[:n], rng.integers(0, 480, n)])
    z = rng.uniform(1.0, 2.0, n).astype(np.float32)
    image = np.zeros((480, 640), np.float32)
    image[pixels[:, 1], pixels[:, 0]] = z
    seen = np.column_stack([CAMERA.unproject(pixels) * z[:, None], z])
    cloud = PointCloud(T_TRUE.inverse().apply(seen).astype(np.float32))
    pair = Pair(np.zeros((480, 640, 3), np.uint8), CAMERA, cloud, name="chess/a")
    return Sample(pair, T_TRUE, depth=image if depth else None)


def matched(given: Sample) -> Correspondences:
    points = given.pair.cloud.xyz.astype(np.float64)
    assert given.T_camera_lidar is not None
    pixels, _ = CAMERA.project(given.T_camera_lidar.apply(points))
    return Correspondences(np.round(pixels), points, np.ones(len(points)))


def found(matches: Correspondences | None, pose: Pose | None = None) -> PoseEstimate:
    status = Status.OK if pose else Status.NO_CONSENSUS
    return PoseEstimate(status, pose=pose, correspondences=matches)


def test_matches_within_5_cm_are_inliers_and_pixels_without_a_depth_are_outliers() -> None:
    given = sample()
    matches = matched(given)
    points = matches.points.copy()
    points[:50] += [0.0, 0.049, 0.0]
    points[50:100] += [0.0, 0.051, 0.0]
    score = indoor_score(found(Correspondences(matches.pixels, points, matches.weights)), given)
    assert score is not None and (score.inlier_ratio, score.inlier_ratio_measured) == (0.75, 0.75)
    pixels = matches.pixels.copy()
    columns = np.setdiff1d(np.arange(640), pixels[:, 0])[:40]
    pixels[100:140, 0] = columns  # pixels without a depth
    score = indoor_score(found(Correspondences(pixels, points, matches.weights)), given)
    assert score is not None and (score.matches, score.measured) == (200, 160)
    assert score.inlier_ratio == 110 / 200 and score.inlier_ratio_measured == 110 / 160


def test_rmse_is_over_all_points_of_the_fragment() -> None:
    points = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    turned = Pose.from_rotvec([0.0, 0.0, 0.01]) @ Pose.identity()
    expected = 2 * np.sin(0.005) * np.sqrt((1.0 + 4.0) / 3)
    assert registration_rmse(turned, Pose.identity(), points) == pytest.approx(expected)
    moved = Pose(np.eye(3), np.array([0.06, 0.08, 0.0]))
    assert registration_rmse(moved, Pose.identity(), points) == pytest.approx(0.1)
    assert registration_rmse(None, moved, points) is None and registration_rmse(moved, moved, points[:0]) is None


def test_the_baseline_solver_finds_the_pose_of_good_matches_and_none_of_three() -> None:
    given = sample()
    matches, rng = matched(given), np.random.default_rng(0)
    points = matches.points.copy()
    points[:80] = points[rng.permutation(80)]  # wrong ones
    score = indoor_score(found(Correspondences(matches.pixels, points, matches.weights)), given)
    assert score is not None and score.rmse_m is None and score.rmse_p3p_m is not None and score.rmse_p3p_m < 0.02
    score = indoor_score(found(matches.selected(np.arange(3))), given)
    assert score is not None and score.rmse_p3p_m is None and score.matches == 3


def test_without_matches_the_inlier_ratio_is_0_and_without_a_depth_there_is_no_figure() -> None:
    assert indoor_score(found(None), sample()) == IndoorScore(0, 0, 0.0, None, None, None)
    assert indoor_score(found(matched(sample())), sample(depth=False)) is None


def row(scene: str, ratio: float, rmse: float | None, p3p: float | None = None, rte: float | None = None) -> IndoorRow:
    return IndoorRow(scene, IndoorScore(10, 5, ratio, ratio if ratio else None, rmse, p3p), rte, rte)


def test_micro_is_over_pairs_and_macro_over_scenes() -> None:
    rows = [row("chess", 0.5, 0.05, 0.02, 0.01), row("chess", 0.10, 0.2, 0.02, 0.4), row("chess", 0.0, None)]
    rows += [row("stairs", 0.09, 0.0999, 0.3, 0.03)]
    got = indoor_summary(rows)
    assert got is not None and (got["pairs"], got["scenes"]) == (4, 2)
    micro, macro = got["micro"], got["macro"]
    assert micro["registration_recall"] == 0.5 and macro["registration_recall"] == pytest.approx((1 / 3 + 1) / 2)
    assert micro["feature_matching_recall"] == 0.5 and macro["feature_matching_recall"] == pytest.approx(1 / 3)
    assert micro["registration_recall_p3p"] == 0.5 and macro["registration_recall_p3p"] == pytest.approx(1 / 3)
    assert micro["inlier_ratio"] == pytest.approx(0.69 / 4) and macro["inlier_ratio"] == pytest.approx(0.145)
    assert micro["inlier_ratio_measured"] == pytest.approx(0.23)
    assert micro["rmse_auc"] == pytest.approx((0.9 + 0.6 + 0.0 + 1 - 0.0999 / 0.5) / 4)
    assert micro["median_rmse_m"] == pytest.approx((0.0999 + 0.2) / 2)  # of 0.05, 0.0999, 0.2 and infinity
    assert micro["median_rte_camera_m"] == pytest.approx((0.03 + 0.4) / 2)
    assert micro["registered_rte_camera_m"] == pytest.approx(0.02)
    assert set(micro) == set(macro) == set(INDOOR) and indoor_summary([]) is None
    lost = indoor_summary([row("chess", 0.0, None), row("chess", 0.2, 0.01, rte=0.1)])
    assert lost is not None and lost["micro"]["median_rmse_m"] is None
    json.dumps(got, allow_nan=False)


class _Two(Source):
    """The same sample with a depth and without one."""

    name = "two"

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        return sample(depth=not range(2)[index])


class _Perfect:
    """Finds the matches and the pose in whatever frame the cloud is given, as a trained network would."""

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        first = sample()
        pose = _frame_of(pair.cloud.xyz, first.pair.cloud.xyz)
        matches = matched(first)
        return found(Correspondences(matches.pixels, pair.cloud.xyz, matches.weights), T_TRUE @ pose.inverse())


def _frame_of(moved: np.ndarray, xyz: np.ndarray) -> Pose:
    """T_moved_xyz of corresponding points (Umeyama 1991)."""
    a, b = (points.astype(np.float64) for points in (moved, xyz))
    u, _, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return Pose(turn, a.mean(0) - turn @ b.mean(0))


def test_the_depth_of_the_query_never_reaches_the_localizer() -> None:
    class Looks:
        def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
            held = [getattr(pair, field.name) for field in fields(pair)] + [pair.cloud.xyz]
            shapes.extend(value.shape for value in held if isinstance(value, np.ndarray))
            return found(None)

    shapes: list[tuple[int, ...]] = []
    evaluate(Looks(), _Two(), "none", seed=3)
    assert set(shapes) == {(480, 640, 3), (200, 3)}  # the image and the cloud, not (480, 640)


@pytest.mark.parametrize("protocol", ["none", "vp2p"])
def test_a_report_has_the_figures_of_the_pairs_with_a_depth_in_any_frame_of_the_cloud(protocol: str) -> None:
    report = evaluate(_Perfect(), _Two(), protocol, seed=3)  # type: ignore[arg-type]
    got = report.to_json()
    assert got["indoor"]["pairs"] == 1 and got["n"] == 2 and got["rows"][1]["indoor"] is None
    micro = got["indoor"]["micro"]
    assert micro["registration_recall"] == micro["registration_recall_p3p"] == micro["inlier_ratio"] == 1.0
    assert got["per_drive"]["chess"]["indoor"]["macro"] == micro
    text = rendered(report)
    assert "Indoor benchmark" in text and "registration_recall_p3p" in text
    assert all(key in DEFINITIONS["indoor"] for key in INDOOR)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of matches, against exact synthetic data, OpenCV and sampling."""

from dataclasses import replace

import cv2
import numpy as np
import poselib
import pytest
from helpers.matches import CAMERA, errors, nees, synthetic_matches

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, Status
from i2p_ros.pnp import Calibration, noise, solve, solver
from i2p_ros.pnp.limits import judged
from i2p_ros.pnp.refine import jacobian, residuals

LENSES = {
    "plumb_bob": (-0.3, 0.1, 1e-3, -1e-3, 0.0),
    "rational_polynomial": (0.2, 0.05, 1e-4, -1e-4, 0.01, 0.3, 0.06, 0.01),
    "equidistant": (0.02, -0.01, 0.003, -0.001),
}


def test_exact_matches_give_the_exact_pose() -> None:
    matches, truth = synthetic_matches(0)
    estimate = solve(matches, CAMERA)
    assert estimate.status is Status.OK and estimate.reason == ""
    assert max(errors(estimate, truth)) < 1e-6
    assert estimate.n_inliers == len(matches) and estimate.residual_px < 1e-6
    assert estimate.confidence > 0.9


@pytest.mark.parametrize("model", LENSES)
def test_lens_distortion_is_removed(model: str) -> None:
    camera = Camera(360.0, 350.0, 250.0, 90.0, 512, 160, model, LENSES[model])
    matches, truth = synthetic_matches(1, outliers=0.5, camera=camera)
    estimate = solve(matches, camera)
    assert max(errors(estimate, truth)) < 1e-4
    assert estimate.inliers is not None and estimate.inliers[300:].all() and estimate.inliers[:300].mean() < 0.02


def test_opencv_finds_the_same_least_squares_pose() -> None:
    matches, _ = synthetic_matches(2, sigma=1.0, n=200)
    estimate = solve(matches, CAMERA, PnpSettings(threshold_deg=3.0))
    assert estimate.pose is not None and estimate.inliers is not None
    kept = matches.selected(estimate.inliers)
    _, turn, shift = cv2.solvePnP(kept.points, kept.pixels, CAMERA.matrix, None, flags=cv2.SOLVEPNP_ITERATIVE)
    theirs = Pose.from_rotvec(turn.ravel(), shift.ravel())
    # not equal: ours has a Huber loss; but nearer to each other than a third of a standard deviation
    delta = estimate.pose.local(theirs)
    assert estimate.covariance is not None
    assert delta @ np.linalg.solve(estimate.covariance, delta) < 6 / 9


@pytest.mark.parametrize(("outliers", "sigma"), [(0.6, 4.0), (0.8, 3.0), (0.9, 2.0)])
def test_most_matches_may_be_wrong(outliers: float, sigma: float) -> None:
    right = [
        errors(solve(matches, CAMERA), truth)
        for matches, truth in (synthetic_matches(s, sigma, outliers) for s in range(5))
    ]
    assert np.median([e[0] for e in right]) < 0.25 and np.median([e[1] for e in right]) < 0.5


def test_the_solver_is_deterministic() -> None:
    matches, _ = synthetic_matches(3, sigma=3.0, outliers=0.8)
    first, second = solve(matches, CAMERA), solve(matches, CAMERA)
    assert first.pose is not None and second.pose is not None
    np.testing.assert_array_equal(first.pose.matrix, second.pose.matrix)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    np.testing.assert_array_equal(first.inliers, second.inliers)


def test_weights_of_noisy_matches_make_the_pose_more_accurate() -> None:
    trusted, ignored = [], []
    for seed in range(8):
        matches, truth = synthetic_matches(seed, sigma=0.3)
        noisy = np.arange(600) < 500
        pixels = matches.pixels + noisy[:, None] * np.random.default_rng(seed).normal(0.0, 3.0, (600, 2))
        weights = np.where(noisy, 0.01, 1.0)
        trusted.append(errors(solve(Correspondences(pixels, matches.points, weights), CAMERA), truth)[0])
        ignored.append(errors(solve(Correspondences(pixels, matches.points, np.ones(600)), CAMERA), truth)[0])
    assert np.mean(trusted) < 0.7 * np.mean(ignored)


def test_weights_are_relative() -> None:
    matches, _ = synthetic_matches(4, sigma=1.0)
    small = Correspondences(matches.pixels, matches.points, np.full(600, 1e-200))
    np.testing.assert_allclose(solve(small, CAMERA).covariance, solve(matches, CAMERA).covariance, rtol=1e-6)


def test_map_coordinates_of_a_million_metres_cost_nothing() -> None:
    matches, truth = synthetic_matches(5, sigma=1.0)
    shift = np.array([4.5e6, -6e5, 100.0])
    moved = solve(Correspondences(matches.pixels, matches.points + shift, matches.weights), CAMERA)
    assert moved.pose is not None
    back = moved.pose @ Pose(np.eye(3), shift)
    assert np.abs(truth.local(back)).max() < 0.05


@pytest.mark.parametrize("outliers", [0.0, 0.3])
@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_covariance_agrees_with_the_errors(outliers: float, sigma: float) -> None:
    values = [
        nees(solve(matches, CAMERA), truth)
        for matches, truth in (synthetic_matches(s, sigma, outliers) for s in range(30))
    ]
    assert 0.7 < np.mean(values) / 6 < 1.5  # 30 draws: the mean itself strays by 0.1


def test_covariance_agrees_with_the_errors_of_unequal_weights() -> None:
    values = []
    for seed in range(30):
        matches, truth = synthetic_matches(seed, sigma=2.0)
        weights = np.random.default_rng(seed).uniform(0.01, 1.0, 600)
        values.append(nees(solve(Correspondences(matches.pixels, matches.points, weights), CAMERA), truth))
    assert 0.7 < np.mean(values) / 6 < 1.5


def test_equal_points_give_no_consensus() -> None:
    matches, _ = synthetic_matches(0)
    estimate = solve(Correspondences(matches.pixels, np.ones((600, 3)), matches.weights), CAMERA)
    assert estimate.status is Status.NO_CONSENSUS and estimate.pose is None


def test_row_55_copies_of_a_few_matches_give_no_consensus() -> None:
    matches, _ = synthetic_matches(0)
    estimate = solve(matches.selected(np.repeat(np.arange(5), 100)), CAMERA)
    assert estimate.status is Status.NO_CONSENSUS and "5 distinct points of 500" in estimate.reason


@pytest.mark.parametrize("kept", [0, 3, 11])
def test_row_55_too_few_matches(kept: int) -> None:
    matches, _ = synthetic_matches(0)
    estimate = solve(matches.selected(np.arange(kept)), CAMERA)
    assert estimate.status is Status.TOO_FEW_MATCHES and f"{kept} usable matches" in estimate.reason
    assert estimate.correspondences is not None and len(estimate.correspondences) == kept


def test_matches_without_weight_do_not_count() -> None:
    matches, truth = synthetic_matches(0, outliers=0.98)
    weights = (np.arange(600) >= 588).astype(float)
    estimate = solve(Correspondences(matches.pixels, matches.points, weights), CAMERA, PnpSettings(min_inliers=12))
    assert max(errors(estimate, truth)) < 1e-4
    assert estimate.inliers is not None and not estimate.inliers[:588].any()


@pytest.mark.parametrize("name", ["pixels", "points", "weights"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_row_53_matches_that_are_not_finite(name: str, value: float) -> None:
    matches, _ = synthetic_matches(0)
    arrays = {key: getattr(matches, key).copy() for key in ("pixels", "points", "weights")}
    arrays[name].flat[7] = value
    estimate = solve(Correspondences(**arrays), CAMERA)
    assert estimate.status is Status.NONFINITE and name in estimate.reason


@pytest.mark.parametrize("broken", [np.linalg.LinAlgError("Singular matrix"), InputError("a pose must be finite")])
def test_row_53_a_solver_that_breaks_down_is_a_status(monkeypatch: pytest.MonkeyPatch, broken: Exception) -> None:
    def refine(*_: object) -> None:
        raise broken

    monkeypatch.setattr(solver, "refine", refine)
    estimate = solve(synthetic_matches(0)[0], CAMERA)
    assert estimate.status is Status.NONFINITE and str(broken) in estimate.reason


def test_not_converged() -> None:
    estimate = solve(synthetic_matches(0, sigma=3.0)[0], CAMERA, PnpSettings(refine_iterations=1))
    assert estimate.status is Status.NOT_CONVERGED and "1 step" in estimate.reason


def test_row_56_behind_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frontal wall has a mirror pose: rotated by half a turn about the axis, and as far behind the wall."""
    matches, _ = synthetic_matches(0)
    rays = CAMERA.unproject(matches.pixels)
    wall = Correspondences(matches.pixels, np.concatenate([10.0 * rays, np.full((600, 1), 10.0)], axis=1), np.ones(600))
    mirrored = poselib.CameraPose()
    mirrored.R, mirrored.t = np.diag([-1.0, -1.0, 1.0]), np.array([0.0, 0.0, -20.0])

    def start(uv: np.ndarray, points: np.ndarray, *_: object) -> tuple[poselib.CameraPose, dict[str, int]]:
        origin = wall.points[0] - points[0]
        mirrored.t = mirrored.R @ origin + [0.0, 0.0, -20.0]
        return mirrored, {}

    monkeypatch.setattr(poselib, "estimate_absolute_pose", start)
    estimate = solve(wall, CAMERA)
    assert estimate.status is Status.BEHIND_CAMERA and "600" in estimate.reason


@pytest.mark.parametrize("scale", [1e-9, 1e15, 1e150, 1e300])
def test_absurd_coordinates_give_a_status(scale: float) -> None:
    matches, _ = synthetic_matches(0, sigma=1.0)
    estimate = solve(Correspondences(matches.pixels, matches.points * scale, matches.weights), CAMERA)
    assert estimate.pose is None and estimate.reason


def test_pixels_that_no_ray_meets_are_not_used() -> None:
    matches, _ = synthetic_matches(0)
    estimate = solve(Correspondences(matches.pixels * 1e30, matches.points, matches.weights), CAMERA)
    assert estimate.status is Status.TOO_FEW_MATCHES and estimate.reason.startswith("0 usable")


def test_confidence_grows_with_inliers() -> None:
    values = [solve(synthetic_matches(0, 1.0, share)[0], CAMERA).confidence for share in (0.0, 0.5, 0.8)]
    assert 1.0 > values[0] > values[1] > values[2] > 0.0


def test_jacobian_against_differences() -> None:
    matches, truth = synthetic_matches(6, n=20)
    focal = np.array([300.0, 400.0])
    j = jacobian(truth, matches.points, focal)
    for k in range(6):
        step = 1e-6 * np.eye(6)[k]
        ahead, back = (residuals(truth.retract(s), np.zeros((20, 2)), matches.points, focal)[0] for s in (step, -step))
        np.testing.assert_allclose(j[:, :, k], (ahead - back) / 2e-6, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("sigma", "gate"), [(1.0, 6.0), (2.0, 4.0), (3.0, 3.0)])
def test_noise_of_truncated_errors_is_found(sigma: float, gate: float) -> None:
    distance = np.linalg.norm(np.random.default_rng(0).normal(0.0, sigma, (40000, 2)), axis=1)
    assert noise.axis_sigma(distance[distance < gate], gate) == pytest.approx(sigma, rel=0.05)


def test_estimator_variance_against_sampling() -> None:
    """The same gated Huber estimator of the mean of points in a plane, run on 600 sets of 200."""
    rng, gate, huber = np.random.default_rng(0), 2.0, 1.5
    x, mean = rng.normal(size=(600, 200, 2)), np.zeros((600, 1, 2))
    for _ in range(40):
        length = np.linalg.norm(x - mean, axis=2)
        w = ((length < gate) * np.minimum(1.0, huber / length))[:, :, None]
        mean = (w * x).sum(axis=1, keepdims=True) / w.sum(axis=1, keepdims=True)
    inside = [one[one < gate] for one in length]
    predicted = [noise.estimator_variance(one, 1.0, huber, gate) / len(one) for one in inside]
    assert np.mean(predicted) == pytest.approx(np.var(mean), rel=0.15)


def test_a_pose_below_the_least_confidence_is_withheld() -> None:
    matches, truth = synthetic_matches(0, 1.0, 0.5)
    estimate = solve(matches, CAMERA, PnpSettings(min_confidence=1.0))
    assert estimate.status is Status.UNCERTAIN and "pnp.min_confidence" in estimate.reason
    assert estimate.withheld is not None and np.abs(estimate.withheld.local(truth)).max() < 0.2


def test_the_reason_names_a_camera_far_from_the_lidar() -> None:
    estimate = solve(synthetic_matches(0, 1.0, 0.5)[0], CAMERA, PnpSettings(min_confidence=0.0))
    assert estimate.evidence is not None
    for log_place, is_told in ((-0.5, False), (-9.0, True)):
        there = replace(estimate, evidence=replace(estimate.evidence, log_place=log_place))
        found = judged(there, PnpSettings(min_confidence=1.0), Calibration())
        assert found.pose is None and ("pnp.lidar_std_m" in found.reason) == is_told

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic matches with their true pose, and errors of estimates."""

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, PoseEstimate, Prior
from i2p_ros.pnp.covariance import with_origin

CAMERA = Camera(360.0, 360.0, 256.0, 80.0, 512, 160)


def rays(rng: np.random.Generator, n: int, top: float = 0.0, camera: Camera = CAMERA) -> np.ndarray:
    """(n, 3) rays of pixels uniform over the image below row top, at depth 1."""
    return np.c_[camera.unproject(rng.uniform([0.0, top], [camera.width, camera.height], (n, 2))), np.ones(n)]


def matches_of(
    points: np.ndarray, rng: np.random.Generator, sigma: float = 0.0, camera: Camera = CAMERA
) -> tuple[Correspondences, Pose]:
    """Matches of points (M, 3) in the camera frame with sigma px of noise, and their random true pose."""
    truth = Pose.from_rotvec(rng.normal(size=3), rng.uniform(-10.0, 10.0, 3))
    pixels = camera.project(points)[0] + sigma * rng.normal(size=(len(points), 2))
    return Correspondences(pixels, truth.inverse().apply(points), np.ones(len(points))), truth


def synthetic_matches(
    seed: int, sigma: float = 0.0, outliers: float = 0.0, n: int = 600, camera: Camera = CAMERA
) -> tuple[Correspondences, Pose]:
    """n matches of points at 4 to 45 m with Gaussian pixel noise, and the true pose. The first ones are outliers."""
    rng = np.random.default_rng(seed)
    matches, truth = matches_of(rays(rng, n, camera=camera) * rng.uniform(4.0, 45.0, (n, 1)), rng, sigma, camera)
    pixels, wrong = matches.pixels, round(outliers * n)
    pixels[:wrong] = rng.uniform([0.0, 0.0], [camera.width, camera.height], (wrong, 2))
    return Correspondences(pixels, matches.points, matches.weights), truth


def moved(matches: Correspondences, truth: Pose, shift: np.ndarray) -> tuple[Correspondences, Pose]:
    """The same matches in a cloud with another origin."""
    return Correspondences(matches.pixels, matches.points + shift, matches.weights), truth @ Pose(np.eye(3), -shift)


def prior_about(truth: Pose, std: np.ndarray, rng: np.random.Generator) -> Prior:
    """A prior whose error is drawn from its own covariance: deviations std (6,) about the camera, m and rad."""
    centre = truth.inverse().translation
    T_camera_centre = Pose(truth.rotation, np.zeros(3)).retract(std * rng.normal(size=6))
    covariance = with_origin(np.diag(std**2), T_camera_centre, centre)
    return Prior(T_camera_centre @ Pose(np.eye(3), -centre), covariance)


def errors(estimate: PoseEstimate, truth: Pose) -> tuple[float, float]:
    """Errors of the camera centre (m) and of the rotation (deg)."""
    assert estimate.pose is not None, estimate.reason
    centre = estimate.pose.inverse().translation - truth.inverse().translation
    return float(np.linalg.norm(centre)), float(np.degrees(np.linalg.norm(estimate.pose.local(truth)[3:])))


def is_near(estimate: PoseEstimate, truth: Pose, metres: float, degrees: float) -> bool:
    """Whether both errors are within limits."""
    shift, turn = errors(estimate, truth)
    return shift < metres and turn < degrees


def nees(estimate: PoseEstimate, truth: Pose) -> float:
    assert estimate.pose is not None and estimate.covariance is not None, estimate.reason
    judged = normalised(*camera_error(estimate.pose, estimate.covariance, truth))
    assert judged is not None
    return judged[0]


def stds(estimate: PoseEstimate) -> np.ndarray:
    """(6,) stated deviations along and about camera axes, m and rad."""
    assert estimate.pose is not None and estimate.covariance is not None, estimate.reason
    return np.sqrt(np.diag(camera_error(estimate.pose, estimate.covariance, estimate.pose)[1]))


def is_sound(estimate: PoseEstimate) -> bool:
    """Whether an estimate has a pose with a finite, symmetric, positive definite covariance, or else a reason."""
    if estimate.pose is None:
        return bool(estimate.reason)
    covariance = estimate.covariance
    assert covariance is not None
    about_camera = camera_error(estimate.pose, covariance, estimate.pose)[1]
    std = np.sqrt(np.diag(about_camera))
    positive = np.linalg.eigvalsh(about_camera / np.outer(std, std)).min() > 0
    return bool(np.isfinite(covariance).all() and np.array_equal(covariance, covariance.T) and positive)

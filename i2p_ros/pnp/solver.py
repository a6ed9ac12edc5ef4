# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perspective-n-point: T_camera_lidar of pixel-to-point matches, most of which may be wrong.

`_solve` is the method, one line per step. A step that finds no pose raises `_NoPoseError`, which `solve` turns into a
status; no stand-in for a pose ever leaves here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import poselib
from numpy.typing import NDArray

from i2p_ros.core.camera import MIN_DEPTH, Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Correspondences, PoseEstimate, Status
from i2p_ros.pnp import covariance, noise
from i2p_ros.pnp.refine import jacobian, refine, residuals

Mask = NDArray[np.bool_]
SEED = 0  # of the robust start: the same matches, the same pose
MIN_START_ITERATIONS = 500
MAX_TANGENT = 20.0  # rays within 87 deg of the axis: a pinhole holds no wider ones
HUBER_SIGMAS = 1.5  # residuals beyond count linearly
GATE_SIGMAS = 3.0  # keeps 98.9 % of the errors of two Gaussian axes
GATE_RANGE = (0.25, 2.0)  # of the threshold: how far the noise that is found may move the gate


class _NoPoseError(I2PError):
    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class _Problem:
    """Usable matches in a camera without lens: `uv` (M, 2) px from the principal point, `points` (M, 3) m about
    `origin` (3,) of the lidar frame, `weights` (M,), `focal` (2,) px."""

    uv: Array
    points: Array
    weights: Array
    focal: Array
    origin: Array

    def moved(self, step: Array) -> _Problem:
        """The same problem with its origin moved by step (m)."""
        return replace(self, points=self.points - step, origin=self.origin + step)

    def distances(self, pose: Pose) -> tuple[Array, Mask]:
        """(M,) px between pixel and projection, and whether the point lies in front of the camera."""
        r, depth = residuals(pose, self.uv, self.points, self.focal)
        return np.linalg.norm(r, axis=1), depth > MIN_DEPTH


def solve(matches: Correspondences, camera: Camera, settings: PnpSettings | None = None) -> PoseEstimate:
    """T_camera_lidar that enough matches agree with, with covariance, inliers and residual (px of the original image).

    Weights are relative: how much to trust a match, not how large its error is. The same input gives the same answer.
    """
    try:
        return _solve(matches, camera, settings or PnpSettings())
    except _NoPoseError as none:
        return PoseEstimate(none.status, str(none), correspondences=matches)
    except (InputError, np.linalg.LinAlgError) as error:  # numbers that overflow, a matrix without an inverse
        return PoseEstimate(Status.NONFINITE, f"the solver broke down: {error}", correspondences=matches)


def _solve(matches: Correspondences, camera: Camera, settings: PnpSettings) -> PoseEstimate:
    usable = _usable(matches, camera, settings)
    problem = _problem(matches.selected(usable), camera)
    gate = float(np.sqrt(camera.fx * camera.fy) * np.tan(np.radians(settings.threshold_deg)))
    problem, pose = _centred(problem, _robust_start(problem, gate, settings))
    inliers = _inliers(problem, pose, gate, settings)
    pose, sigma = _refined(problem, pose, inliers, gate, settings)
    gate = float(np.clip(GATE_SIGMAS * sigma, GATE_RANGE[0] * gate, GATE_RANGE[1] * gate))
    inliers = _inliers(problem, pose, gate, settings)
    pose, sigma = _refined(problem, pose, inliers, gate, settings)
    inliers = _inliers(problem, pose, gate, settings)
    spread = _covariance(problem, pose, inliers, sigma, gate, settings)
    return _estimate(matches, usable, problem, pose, inliers, spread)


def _usable(matches: Correspondences, camera: Camera, settings: PnpSettings) -> Mask:
    """(M,) matches with a positive weight and a ray through the lens."""
    for name in ("pixels", "points", "weights"):
        if not np.isfinite(getattr(matches, name)).all():
            raise _NoPoseError(Status.NONFINITE, f"the {name} of the matches hold NaN or infinity")
    usable: Mask = (matches.weights > 0) & (np.abs(camera.unproject(matches.pixels)) < MAX_TANGENT).all(axis=1)
    if usable.sum() < settings.min_matches:
        count = f"{usable.sum()} usable matches of {len(matches)}"
        raise _NoPoseError(
            Status.TOO_FEW_MATCHES, f"{count}; at least {settings.min_matches} are needed (pnp.min_matches)"
        )
    return usable


def _problem(matches: Correspondences, camera: Camera) -> _Problem:
    """The lens taken out, weights up to 1, the origin among the points: large map coordinates would cost digits."""
    focal = np.array([camera.fx, camera.fy])
    uv, weights = camera.unproject(matches.pixels) * focal, matches.weights / matches.weights.max()
    origin = np.median(matches.points, axis=0)
    return _Problem(uv, matches.points - origin, weights, focal, origin)


def _robust_start(problem: _Problem, gate: float, settings: PnpSettings) -> Pose:
    """LO-RANSAC of PoseLib (P3P, gate in px) over all matches; it only proposes poses with the points in front."""
    fx, fy = problem.focal
    pinhole = {"model": "PINHOLE", "width": 1, "height": 1, "params": [fx, fy, 0.0, 0.0]}
    options = {
        "max_reproj_error": gate,
        "max_iterations": settings.iterations,
        "min_iterations": min(settings.iterations, MIN_START_ITERATIONS),
        "success_prob": settings.confidence,
        "seed": SEED,
    }
    found, _ = poselib.estimate_absolute_pose(problem.uv, problem.points, pinhole, options, {})
    if not (np.isfinite(found.R).all() and np.isfinite(found.t).all()):
        raise _NoPoseError(Status.NO_CONSENSUS, f"no pose agrees with any of {len(problem.uv)} matches")
    return Pose(found.R, found.t)


def _centred(problem: _Problem, T_camera_map: Pose) -> tuple[_Problem, Pose]:
    """The origin moved to the camera, where translation and rotation are least correlated."""
    centre = T_camera_map.inverse().translation
    return problem.moved(centre), Pose(T_camera_map.rotation, np.zeros(3))


def _inliers(problem: _Problem, pose: Pose, gate: float, settings: PnpSettings) -> Mask:
    """(M,) matches within gate px and in front of the camera; raises where they are too few to believe."""
    distance, in_front = problem.distances(pose)
    near = distance <= gate
    total = len(distance)
    needed = max(settings.min_inliers, int(np.ceil(settings.min_inlier_ratio * total)))
    if (near & ~in_front).sum() >= needed:
        raise _NoPoseError(Status.BEHIND_CAMERA, f"{(near & ~in_front).sum()} agreeing points lie behind the camera")
    inliers: Mask = near & in_front
    distinct = len(np.unique(problem.points[inliers], axis=0))  # copies of a match prove nothing
    if distinct < needed:
        agree = f"{distinct} distinct points of {total} matches agree within {gate:.1f} px"
        raise _NoPoseError(
            Status.NO_CONSENSUS, f"{agree}; at least {needed} must (pnp.min_inliers, pnp.min_inlier_ratio)"
        )
    return inliers


def _refined(problem: _Problem, start: Pose, inliers: Mask, gate: float, settings: PnpSettings) -> tuple[Pose, float]:
    """The least-squares pose of the inliers, and the noise (px per axis) that they show about it."""
    uv, points, weights = problem.uv[inliers], problem.points[inliers], problem.weights[inliers]
    huber = HUBER_SIGMAS * noise.axis_sigma(problem.distances(start)[0][inliers], gate)
    pose, converged = refine(start, uv, points, weights, problem.focal, huber, settings.refine_iterations)
    if not converged:
        raise _NoPoseError(Status.NOT_CONVERGED, f"no least-squares pose after {settings.refine_iterations} steps")
    return pose, noise.axis_sigma(problem.distances(pose)[0][inliers], gate)


def _covariance(
    problem: _Problem, pose: Pose, inliers: Mask, sigma: float, gate: float, settings: PnpSettings
) -> Array:
    """(6, 6) of T_camera_map; raises where the inliers leave an axis open, and names it."""
    j, weights = jacobian(pose, problem.points[inliers], problem.focal), problem.weights[inliers]
    if names := covariance.unobservable(j, weights):
        raise _NoPoseError(Status.DEGENERATE, f"the matches do not fix {', '.join(names)} of the camera")
    distance = problem.distances(pose)[0][inliers]
    variance = noise.estimator_variance(distance, sigma, HUBER_SIGMAS * sigma, gate)
    spread = covariance.of_estimate(j, weights, variance)
    if names := covariance.weak(spread, settings.max_std_m, float(np.radians(settings.max_std_deg))):
        limits = f"limits {settings.max_std_m} m, {settings.max_std_deg} deg"
        raise _NoPoseError(
            Status.DEGENERATE, f"weakly fixed: {', '.join(names)} ({limits}: pnp.max_std_m, pnp.max_std_deg)"
        )
    return spread


def _estimate(
    matches: Correspondences, usable: Mask, problem: _Problem, T_camera_map: Pose, inliers: Mask, spread: Array
) -> PoseEstimate:
    """The answer in the lidar frame, its inliers among all matches."""
    pose = T_camera_map @ Pose(np.eye(3), -problem.origin)
    among_all = np.zeros(len(matches), bool)
    among_all[np.flatnonzero(usable)[inliers]] = True
    return PoseEstimate(
        Status.OK,
        pose=pose,
        covariance=covariance.with_origin(spread, T_camera_map, problem.origin),
        correspondences=matches,
        inliers=among_all,
        residual_px=float(np.sqrt(np.mean(problem.distances(T_camera_map)[0][inliers] ** 2))),
        confidence=confidence(int(inliers.sum()), len(matches)),
    )


def confidence(n_inliers: int, n_matches: int) -> float:
    """0..1, growing with the number and the share of inliers. An order, not a probability: it is not calibrated."""
    return float((1.0 - np.exp(-n_inliers / 60.0)) * (1.0 - np.exp(-5.0 * n_inliers / n_matches)))

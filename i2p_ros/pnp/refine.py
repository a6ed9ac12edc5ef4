# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reprojection residuals and weighted least squares on SE(3), in a camera without lens or principal point offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.geometry import Array, Pose


@dataclass(frozen=True)
class Factor:
    """A Gaussian about `mean` with `information` (6, 6) in the coordinates of `Pose.retract`, on top of the matches."""

    mean: Pose
    information: Array

    def beside(self, weights: Array, sigma: float) -> Factor:
        """The factor in units of matches with these relative weights (M,) and sigma (px) of noise: px^-2.

        Of matches with J^T W J = A and J^T W^2 J = B the information is A B^-1 A / sigma^2, about A over the mean
        weight, where each weight counts by itself.
        """
        return Factor(self.mean, self.information * sigma**2 * (weights @ weights) / max(weights.sum(), 1e-300))

    def cost(self, pose: Pose) -> float:
        """Half the squared Mahalanobis distance."""
        delta = self.mean.local(pose)
        return 0.5 * float(delta @ self.information @ delta)


def residuals(T_camera_map: Pose, uv: Array, points: Array, focal: Array) -> tuple[Array, Array]:
    """Projection minus pixel (M, 2) px, and depth (M,) m, negative behind the camera."""
    x, y, z = T_camera_map.rotation @ points.T + T_camera_map.translation[:, None]
    depth = np.where(np.abs(z) < MIN_DEPTH, MIN_DEPTH, z)
    return np.stack([focal[0] * x / depth - uv[:, 0], focal[1] * y / depth - uv[:, 1]], axis=1), z


def jacobian(T_camera_map: Pose, points: Array, focal: Array) -> Array:
    """(M, 2, 6) derivative of `residuals` by (dt, theta) of `Pose.retract`: [a, -a skew(R x)], a = d pixel / d point.

    By a skew(v) w = (a x v) w the second half is v x a, row by row (formula: EPro-PnP's, in a left rotation vector).
    """
    v = T_camera_map.rotation @ points.T
    x, y, z = v + T_camera_map.translation[:, None]
    z = np.where(np.abs(z) < MIN_DEPTH, MIN_DEPTH, z)
    ax, ay = focal[0] / z, focal[1] / z
    axz, ayz = -ax * x / z, -ay * y / z
    j = np.zeros((len(points), 2, 6))
    j[:, 0, 0], j[:, 0, 2], j[:, 1, 1], j[:, 1, 2] = ax, axz, ay, ayz
    j[:, 0, 3], j[:, 0, 4], j[:, 0, 5] = v[1] * axz, v[2] * ax - v[0] * axz, -v[1] * ax
    j[:, 1, 3], j[:, 1, 4], j[:, 1, 5] = v[1] * ayz - v[2] * ay, -v[0] * ayz, v[0] * ay
    return j


def huber_weights(distance: Array, limit: float) -> Array:
    """(M,) factor of each squared residual in a Huber loss that turns linear at limit."""
    return np.minimum(1.0, limit / np.maximum(distance, 1e-12))


def huber_loss(distance: Array, limit: float) -> Array:
    """Half the square of (...) distances up to limit, linear beyond."""
    return np.where(distance <= limit, 0.5 * distance**2, limit * (distance - 0.5 * limit))


def refine(
    start: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float, iterations: int,
    prior: Factor | None = None,
) -> tuple[Pose, bool]:  # fmt: skip
    """The pose of least sum of weight times Huber loss (px^2), and whether Levenberg-Marquardt has converged to it.

    The cost of `prior` is added, so its information is in units of 1 / px^2 of the pixel noise. Converged: the next
    step would gain less than a ten-thousandth of the mean loss, far below a standard deviation.
    """
    pose, damping = start, 1e-4
    loss = _loss(pose, uv, points, weights, focal, huber, prior)
    for _ in range(iterations):
        a, gradient = _normal_equations(pose, uv, points, weights, focal, huber, prior)
        step = -np.linalg.solve(a + damping * np.diag(np.diag(a)) + 1e-9 * np.eye(6), gradient)
        gain = float(-gradient @ step)
        trial = pose.retract(step)
        trial_loss = _loss(trial, uv, points, weights, focal, huber, prior)
        if trial_loss <= loss:
            pose, loss, damping = trial, trial_loss, damping / 10.0
        else:
            damping *= 10.0
        if gain <= 1e-4 * loss / max(len(uv), 1) + 1e-12:
            return pose, True
    return pose, False


def _normal_equations(
    pose: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float, prior: Factor | None
) -> tuple[Array, Array]:
    """J^T W J and J^T W r of all residuals; the prior's Jacobian is taken as the identity, as it is at its mean."""
    r, _ = residuals(pose, uv, points, focal)
    w = np.repeat(weights * huber_weights(np.hypot(r[:, 0], r[:, 1]), huber), 2)
    j = jacobian(pose, points, focal).reshape(-1, 6)
    weighted = (j * w[:, None]).T
    a, gradient = weighted @ j, weighted @ r.ravel()
    if prior:
        a, gradient = a + prior.information, gradient + prior.information @ prior.mean.local(pose)
    return a, gradient


def _loss(
    pose: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float, prior: Factor | None
) -> float:
    r, _ = residuals(pose, uv, points, focal)
    matches = float(weights @ huber_loss(np.hypot(r[:, 0], r[:, 1]), huber))
    return matches + (prior.cost(pose) if prior else 0.0)

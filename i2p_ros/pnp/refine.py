# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reprojection residuals and weighted least squares on SE(3), for pixels relative to the principal point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.geometry import Array, Pose


@dataclass(frozen=True)
class Factor:
    """Gaussian prior about `mean` with `information` (6, 6) in the coordinates of `Pose.retract`."""

    mean: Pose
    information: Array

    def scaled_to(self, weights: Array, sigma: float) -> Factor:
        """The factor in the units of a least-squares cost, for matches of relative weights (M,) and noise sigma (px).

        The information of the matches is A B^-1 A / sigma^2 with A = J^T W J and B = J^T W^2 J, while the cost has the
        information A. The ratio of the two is about sum(w) / (sigma^2 sum(w^2)).
        """
        return Factor(self.mean, self.information * sigma**2 * (weights @ weights) / max(weights.sum(), 1e-300))

    def cost(self, pose: Pose) -> float:
        """Half the squared Mahalanobis distance of a pose from the mean."""
        delta = self.mean.local(pose)
        return 0.5 * float(delta @ self.information @ delta)


def residuals(T_camera_map: Pose, uv: Array, points: Array, focal: Array) -> tuple[Array, Array]:
    """Projection minus pixel (M, 2), px, and depth (M,), m, which is negative behind the camera."""
    x, y, z = T_camera_map.rotation @ points.T + T_camera_map.translation[:, None]
    depth = np.where(np.abs(z) < MIN_DEPTH, MIN_DEPTH, z)
    return np.stack([focal[0] * x / depth - uv[:, 0], focal[1] * y / depth - uv[:, 1]], axis=1), z


def jacobian(T_camera_map: Pose, points: Array, focal: Array) -> Array:
    """Derivative (M, 2, 6) of `residuals` by (dt, theta) of `Pose.retract`: [a, -a skew(v)].

    a (2, 3) is the derivative of the pixel by the point, and v = R x. Since a skew(v) w = (a x v) w, the second half is
    v x a in each row. The formula is that of EPro-PnP, for a rotation vector on the left.
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
    """Factors (M,) of the squared residuals in a Huber loss that is linear beyond `limit`."""
    return np.minimum(1.0, limit / np.maximum(distance, 1e-12))


def huber_loss(distance: Array, limit: float) -> Array:
    """Huber loss (...) of distances (...): half the square up to `limit`, linear beyond."""
    return np.where(distance <= limit, 0.5 * distance**2, limit * (distance - 0.5 * limit))


def refine(
    start: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float, iterations: int,
    prior: Factor | None = None,
) -> tuple[Pose, bool]:  # fmt: skip
    """Pose of the least sum of weight times Huber loss (px^2) by Levenberg-Marquardt, and whether it has converged.

    `huber` (px) is the limit of the loss. The cost of `prior` is added, so its information is in the units of
    `Factor.scaled_to`. Converged means that the next step would reduce the loss by less than a ten-thousandth of its
    mean, which moves the pose by far less than a standard deviation.
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
    """J^T W J (6, 6) and J^T W r (6,) of all residuals. The Jacobian of the prior is the identity, as at its mean."""
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

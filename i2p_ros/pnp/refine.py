# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reprojection residuals and weighted least squares on SE(3), in a camera without lens or principal point offset."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.geometry import Array, Pose


def residuals(T_camera_map: Pose, uv: Array, points: Array, focal: Array) -> tuple[Array, Array]:
    """Projection minus pixel (M, 2) px, and depth (M,) m, negative behind the camera."""
    p = T_camera_map.apply(points)
    z = np.where(np.abs(p[:, 2]) < MIN_DEPTH, MIN_DEPTH, p[:, 2])
    return focal * p[:, :2] / z[:, None] - uv, p[:, 2]


def jacobian(T_camera_map: Pose, points: Array, focal: Array) -> Array:
    """(M, 2, 6) derivative of `residuals` by (dt, theta) of `Pose.retract`: [a, -a skew(R x)], a = d pixel / d point.

    By a skew(v) w = (a x v) w the second half is v x a, row by row (formula: EPro-PnP's, in a left rotation vector).
    """
    turned = points @ T_camera_map.rotation.T
    x, y, z = (turned + T_camera_map.translation).T
    z = np.where(np.abs(z) < MIN_DEPTH, MIN_DEPTH, z)
    a = np.zeros((len(points), 2, 3))
    a[:, 0, 0], a[:, 1, 1] = focal[0] / z, focal[1] / z
    a[:, 0, 2], a[:, 1, 2] = -focal[0] * x / z**2, -focal[1] * y / z**2
    return np.concatenate([a, np.cross(turned[:, None, :], a)], axis=2)


def huber_weights(distance: Array, limit: float) -> Array:
    """(M,) factor of each squared residual in a Huber loss that turns linear at limit."""
    return np.minimum(1.0, limit / np.maximum(distance, 1e-12))


def refine(
    start: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float, iterations: int
) -> tuple[Pose, bool]:
    """The pose of least sum of weight times Huber loss (px), and whether Levenberg-Marquardt has converged to it.

    Converged: the next step would gain less than a millionth of the mean loss, far below a standard deviation.
    """
    pose, damping = start, 1e-4
    loss = _loss(residuals(pose, uv, points, focal)[0], weights, huber)
    for _ in range(iterations):
        a, gradient = _normal_equations(pose, uv, points, weights, focal, huber)
        step = -np.linalg.solve(a + damping * np.diag(np.diag(a)) + 1e-9 * np.eye(6), gradient)
        gain = float(-gradient @ step)
        trial = pose.retract(step)
        trial_loss = _loss(residuals(trial, uv, points, focal)[0], weights, huber)
        if trial_loss <= loss:
            pose, loss, damping = trial, trial_loss, damping / 10.0
        else:
            damping *= 10.0
        if gain <= 1e-6 * loss / len(uv) + 1e-12:
            return pose, True
    return pose, False


def _normal_equations(
    pose: Pose, uv: Array, points: Array, weights: Array, focal: Array, huber: float
) -> tuple[Array, Array]:
    r, _ = residuals(pose, uv, points, focal)
    j = jacobian(pose, points, focal)
    weighted = j * (weights * huber_weights(np.linalg.norm(r, axis=1), huber))[:, None, None]
    return np.einsum("nki,nkj->ij", weighted, j), np.einsum("nki,nk->i", weighted, r)


def _loss(r: Array, weights: Array, huber: float) -> float:
    distance = np.linalg.norm(r, axis=1)
    rho = np.where(distance <= huber, 0.5 * distance**2, huber * (distance - 0.5 * huber))
    return float(weights @ rho)

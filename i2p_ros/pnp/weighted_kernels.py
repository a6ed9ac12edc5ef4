# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loops of `weighted`, compiled by numba. Tests compare the cost with that of `probabilistic`."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.compiled import inner, kernel

MAX_TANGENT = 3.0  # projections are clamped at 72 deg: near the plane of the camera a metre is thousands of pixels


@inner
def _off(point: Any, uv: Any, weights: Any, focal: Any, axis: int) -> Any:
    """Weighted residual on an image axis of a point in the frame of the camera, its tangent, and 1 where this is free
    to move, or 0 where it is clamped."""
    depth = max(point[2], MIN_DEPTH)
    tangent = point[axis] / depth
    free = 1.0 if point[2] > MIN_DEPTH and abs(tangent) < MAX_TANGENT else 0.0
    tangent = min(max(tangent, -MAX_TANGENT), MAX_TANGENT)
    return weights[axis] * (focal[axis] * tangent - uv[axis]), tangent, free


@kernel(
    "float64[::1](float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float64, float64[:, :, ::1], "
    "float64[:, :])"
)
def costs(
    points: Any, uv: Any, weights: Any, focal: Any, limit: float, rotations: Any, translations: Any
) -> Any:  # fmt: skip
    """Huber costs (K,) of matches of points (N, 3) and `uv` (N, 2) at poses of rotations (K, 3, 3) and translations
    (K, 3)."""
    found, point = np.zeros(len(rotations)), np.empty(3)
    for k in range(len(rotations)):
        r, t = rotations[k], translations[k]
        for n in range(len(points)):
            x, y, z = points[n, 0], points[n, 1], points[n, 2]
            for axis in range(3):
                point[axis] = r[axis, 0] * x + r[axis, 1] * y + r[axis, 2] * z + t[axis]
            across, _, _ = _off(point, uv[n], weights[n], focal, 0)
            down, _, _ = _off(point, uv[n], weights[n], focal, 1)
            squared = across * across + down * down
            if squared <= limit * limit:
                found[k] += 0.5 * squared
            else:
                found[k] += limit * np.sqrt(squared) - 0.5 * limit * limit
    return found


@kernel(
    "Tuple((float64[:, ::1], float64[::1], float64))"
    "(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float64)"
)
def linearised(points: Any, uv: Any, weights: Any, focal: Any, limit: float) -> Any:
    """J^T H J (6, 6), J^T H f (6,) and the cost of points (N, 3) in the frame of the camera, by (dt, theta) of its
    motion, with H = min(1, limit / distance) of the Huber loss."""
    a, gradient, cost = np.zeros((6, 6)), np.zeros(6), 0.0
    f, j = np.empty(2), np.empty((2, 6))
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for axis in range(2):
            f[axis], tangent, free = _off(points[n], uv[n], weights[n], focal, axis)
            scale = free * weights[n, axis] * focal[axis] / max(z, MIN_DEPTH)
            u, v, w = (scale, 0.0, -scale * tangent) if axis == 0 else (0.0, scale, -scale * tangent)
            j[axis] = (u, v, w, y * w - z * v, z * u - x * w, x * v - y * u)  # w [a, p x a]
        distance = np.sqrt(f[0] * f[0] + f[1] * f[1])
        h = 1.0 if distance <= limit else limit / distance
        cost += 0.5 * distance * distance if distance <= limit else limit * distance - 0.5 * limit * limit
        for row in range(6):
            gradient[row] += h * (j[0, row] * f[0] + j[1, row] * f[1])
            for column in range(6):
                a[row, column] += h * (j[0, row] * j[0, column] + j[1, row] * j[1, column])
    return a, gradient, cost

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loops over the points of a cloud, compiled by numba. References in NumPy are in the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.compiled import inner, kernel


@kernel(
    "Tuple((int64[::1], float32[:, ::1], float64[:, ::1]))"
    "(float32[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[::1], float64, float64[::1])"
)
def points_in_view(
    xyz: Any, rotation: Any, origin: Any, shift: Any, camera: Any, nearest: float, edges: Any
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Index (M,), rays (M, 3) float32 and pixels (M, 2) of the points that a pinhole camera sees.

    The ray of a point of `xyz` (N, 3) is `rotation` (3, 3) times it plus `origin` (3,), m. It is seen where the ray
    plus `shift` (3,) projects. `camera` (4,) is fx, fy, cx, cy, px. A point is in view if its depth is more than
    `nearest` m and its pixel is within `edges`: left, top, right, bottom. Points that are not finite are not in view.
    """
    index = np.empty(len(xyz), np.int64)
    rays, pixels = np.empty((len(xyz), 3), np.float32), np.empty((len(xyz), 2))
    m = 0
    for i in range(len(xyz)):
        x, y, z = np.float64(xyz[i, 0]), np.float64(xyz[i, 1]), np.float64(xyz[i, 2])
        ahead = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + origin[2]
        if ahead + shift[2] > nearest:
            across = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + origin[0]
            down = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + origin[1]
            depth = ahead + shift[2]
            u = camera[0] * (across + shift[0]) / depth + camera[2]
            v = camera[1] * (down + shift[1]) / depth + camera[3]
            if edges[0] < u < edges[2] and edges[1] < v < edges[3]:
                index[m], pixels[m, 0], pixels[m, 1] = i, u, v
                rays[m, 0], rays[m, 1], rays[m, 2] = across, down, ahead
                m += 1
    return index[:m], rays[:m], pixels[:m]


@inner
def _dot(one: Any, other: Any) -> Any:
    total = 0.0
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@kernel("void(float64[:, ::1], int64[:, ::1], int64[::1], float64)")
def orthonormalized(rows: Any, bounds: Any, regressed: Any, least: float) -> None:
    """Make rows (R, N) orthonormal in each patch, by Gram and Schmidt's method.

    `bounds` (P, 2) are the first point of each patch and that after its last. Row r is made orthogonal to the first
    `regressed[r]` rows, twice, for accuracy, and has the length 1 then. It is 0 in a patch where less than the share
    `least` of its energy is left.
    """
    for p in range(len(bounds)):
        start, end = bounds[p, 0], bounds[p, 1]
        for r in range(len(rows)):
            row = rows[r, start:end]
            whole = _dot(row, row)
            for _ in range(2):
                for before in range(regressed[r]):
                    other = rows[before, start:end]
                    share = _dot(row, other)
                    for i in range(len(row)):
                        row[i] -= share * other[i]
            energy = _dot(row, row)
            scale = 1.0 / np.sqrt(energy) if energy > least * whole else 0.0
            for i in range(len(row)):
                row[i] *= scale

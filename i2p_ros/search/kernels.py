# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The inner loop of the descriptor likelihood, compiled by numba. A reference in NumPy is in the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.compiled import inner, kernel

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@inner
def _project(
    point: Any, projections: Any, width: int, height: int, near: Any, spots: Any, corners: Any, seen: Any
) -> None:
    """Write where a point falls under each pose: the cell above and left, the shares of the next column and row, and
    1 where it is in view, else 0."""
    x, y, z = point[0], point[1], point[2]
    a, b, c, d, e, f = (
        projections[0], projections[1], projections[2], projections[3], projections[4], projections[5]
    )  # fmt: skip
    g, h, i, j, m, n = (
        projections[6], projections[7], projections[8], projections[9], projections[10], projections[11]
    )  # fmt: skip
    us, vs = spots[0], spots[1]
    last_u, last_v = np.float32(width - 1), np.float32(height - 1)
    for k in range(len(corners)):
        depth = i[k] * x + j[k] * y + m[k] * z + n[k]
        inverse = ONE / max(depth, near)
        u = (a[k] * x + b[k] * y + c[k] * z + d[k]) * inverse
        v = (e[k] * x + f[k] * y + g[k] * z + h[k]) * inverse
        inside = (depth > near) & (u >= ZERO) & (u < last_u) & (v >= ZERO) & (v < last_v)
        u, v = u if inside else ZERO, v if inside else ZERO
        column, row = np.int32(u), np.int32(v)
        us[k], vs[k] = u - np.float32(column), v - np.float32(row)
        corners[k] = np.uint32(row) * np.uint32(width) + np.uint32(column)
        seen[k] = ONE if inside else ZERO


@inner
def _add(cells: Any, width: int, spots: Any, corners: Any, seen: Any, totals: Any, counts: Any) -> None:
    """Add the interpolated similarity of one point to the sum of each pose in whose view it is."""
    us, vs = spots[0], spots[1]
    right, below = np.uint32(1), np.uint32(width)
    for k in range(len(corners)):
        at = corners[k]
        upper = cells[at] + us[k] * (cells[at + right] - cells[at])
        lower = cells[at + below] + us[k] * (cells[at + below + right] - cells[at + below])
        totals[k] += seen[k] * (upper + vs[k] * (lower - upper))
        counts[k] += np.int64(seen[k])


@kernel(
    "Tuple((float64[::1], int64[::1]))"
    "(float32[:, ::1], int64[::1], float32[:, ::1], float32[:, ::1], int64, int64, float32)"
)
def similarities_in_view(
    values: Any, rows: Any, points: Any, projections: Any, width: int, height: int, near: Any
) -> tuple[Any, Any]:
    """(K,) sum of the similarities of the points in view of K poses, and (K,) number of these points.

    `values` (M, height * width) are the similarities of points and cells, `rows` (N,) the rows of the points (N, 3).
    `projections` (12, K) are the elements of the projection matrices (3, 4), row by row. A point is in view if its
    depth is more than `near` and four cells surround it, between whose centres similarities are interpolated.
    """
    count = projections.shape[1]
    totals, counts = np.zeros(count), np.zeros(count, np.int64)
    spots, corners, seen = np.empty((2, count), np.float32), np.empty(count, np.uint32), np.empty(count, np.float32)
    for i in range(len(rows)):
        _project(points[i], projections, width, height, near, spots, corners, seen)
        _add(values[rows[i]], width, spots, corners, seen, totals, counts)
    return totals, counts

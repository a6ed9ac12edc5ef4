# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The search for near points of a fragment, compiled by numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.compiled import inner, kernel


@inner
def _is_near(query: Any, points: Any, keys: Any, first: Any, size: float, bits: int) -> bool:
    offset = 1 << (bits - 1)
    x, y = np.int64(np.floor(query[0] / size)) + offset, np.int64(np.floor(query[1] / size)) + offset
    z = np.int64(np.floor(query[2] / size)) + offset
    for column in range(9):  # the three cells of a column have keys in one run
        low = ((x + column // 3 - 1) << (2 * bits)) | ((y + column % 3 - 1) << bits) | (z - 1)
        cell = np.searchsorted(keys, low)
        while cell < len(keys) and keys[cell] <= low + 2:
            for p in range(first[cell], first[cell + 1]):
                dx, dy, dz = query[0] - points[p, 0], query[1] - points[p, 1], query[2] - points[p, 2]
                if dx * dx + dy * dy + dz * dz <= size * size:
                    return True
            cell += 1
    return False


@kernel("int64(float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], float64, int64)")
def count_near(queries: Any, points: Any, keys: Any, first: Any, size: float, bits: int) -> int:
    """Number of queries (N, 3) with one of the points within `size`.

    `keys` (C,) are the cells of that size that have points, ascending, with `bits` of each coordinate. `first` (C + 1,)
    are the places of their first points.
    """
    found = 0
    for q in range(len(queries)):
        found += _is_near(queries[q], points, keys, first, size, bits)
    return found

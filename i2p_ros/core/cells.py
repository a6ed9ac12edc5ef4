# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of the cells of a grid that points lie in, in which cells are found by a sorted search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array

BITS = 21  # of each coordinate of a cell in its key
_HALF = 1 << (BITS - 1)


def cell_keys(points: Array | NDArray[np.float32], size: float) -> NDArray[np.int64]:
    """Key (N,) of the cell of `size` (m) of each of points (N, 3).

    Farther points than the keys reach count as points of the outermost cells whose neighbours all have keys.
    """
    cells = np.clip(np.floor(points / size), 1 - _HALF, _HALF - 2)
    x, y, z = (cells.astype(np.int64) + _HALF).T
    return np.asarray((x << (2 * BITS)) | (y << BITS) | z)

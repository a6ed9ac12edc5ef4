# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud is a full turn of a lidar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLED = 8192  # points that are looked at
STEPS = 72  # of a turn
LEAST_SHARE = 1e-3  # of the points; a step with more of them counts as filled
MOST_EMPTY_DEG = 210.0  # a wall beside a full turn hides half of it from a place behind the wall
FAR = 30.0  # m from the median of the points: the origin is then that of a map rather than of a lidar


def is_full_turn(xyz: NDArray[np.float32]) -> bool:
    """Whether points (N, 3) lie all round the origin of their frame, or round their median if the origin is far away.

    Objects may hide parts. A sector of more than 150 deg counts, and so does a cloud without points.
    """
    flat = xyz[:: max(1, len(xyz) // SAMPLED), :2].astype(np.float64)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return True
    median = np.median(flat, axis=0)
    x, y = (flat - median if np.hypot(*median) > FAR else flat).T
    steps = np.floor((np.arctan2(y, x) / (2.0 * np.pi) + 0.5) * STEPS).astype(np.int64) % STEPS
    filled = np.flatnonzero(np.bincount(steps, minlength=STEPS) > LEAST_SHARE * len(flat))
    empty = np.diff(np.append(filled, filled[0] + STEPS)) - 1
    return bool(empty.max() * 360.0 / STEPS <= MOST_EMPTY_DEG)

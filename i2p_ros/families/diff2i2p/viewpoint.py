# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From where the depths of a fragment were measured. From there few of its points hide others.

The guess follows from the points alone, so it turns with them. It is of the camera that measured, which an image of the
fragment is near.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array, Pose

POINTS = 1000  # of the cloud, in random order, that are looked at
HEADINGS = 36  # that are compared
AWAY = (1.0, 1.5, 2.0)  # distances from the median that are compared, in units of the median distance of points
BEHIND = 2.7  # units from the median to the origin: where cameras of synthetic rooms are on average
CELL = np.radians(6.0)  # of directions: the nearest point of a cell hides others
HIDDEN = 1.1, 0.04  # share of the nearest point's distance, and units, beyond which a point is hidden
TOO_NEAR, NEAR_WEIGHT = 0.25, 3.0  # units: a camera has no points as near; they count so many times


def view_frame(xyz: NDArray[np.float32]) -> Pose:
    """T_view_own of points (N, 3) in random order, in a frame with their median at the origin and z up.

    The axes are those of the camera that measured: x forward, y left, z up. Only yaw is turned.
    """
    points = xyz[:POINTS].astype(np.float64)
    unit = max(float(np.median(np.hypot(points[:, 0], points[:, 1]))), 1e-3)
    yaw = 2.0 * np.pi / HEADINGS * np.arange(HEADINGS)
    ahead = np.stack([np.cos(yaw), np.sin(yaw), np.zeros(HEADINGS)], axis=1)
    hidden = np.mean([_hidden(points, -away * unit * ahead, unit) for away in AWAY], axis=0)
    smooth = hidden + np.roll(hidden, 1) + np.roll(hidden, -1)
    turn = Pose.from_rotvec([0.0, 0.0, -yaw[smooth.argmin()]])
    return Pose(turn.rotation, np.array([BEHIND * unit, 0.0, 0.0]))


def _hidden(points: Array, places: Array, unit: float) -> Array:
    """(P,) the share of points (N, 3) that others hide from each of places (P, 3), or that are too near to it."""
    x, y, z = np.moveaxis(points - places[:, None], 2, 0)
    distance = np.sqrt(x * x + y * y + z * z)
    columns = int(np.pi / CELL) + 1
    row = np.floor((np.arctan2(y, x) + np.pi) / CELL)
    column = np.floor((np.arctan2(z, np.hypot(x, y)) + 0.5 * np.pi) / CELL)
    cells = (row * columns + column).astype(np.int64) + (2 * columns * columns * np.arange(len(places)))[:, None]
    nearest = np.full(2 * columns * columns * len(places), np.inf)
    np.minimum.at(nearest, cells.ravel(), distance.ravel())
    hidden = distance > HIDDEN[0] * nearest[cells] + HIDDEN[1] * unit
    return np.asarray((hidden + NEAR_WEIGHT * (distance < TOO_NEAR * unit)).mean(axis=1))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a lidar stood in its cloud, and whether the cloud is a full turn about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLED = 8192  # points that are looked at
STEPS = 36  # of a turn
LEAST_SHARE = 1e-3  # of the points; a step with more of them counts as filled
MOST_EMPTY_DEG = 225.0  # a wall hides half of a full turn from a place behind it
BORDERS = 2  # steps of a sector that it fills in part
UNEVEN = 0.35  # deviation of the numbers of points in filled steps, as a share of their mean
AROUND, BORDER_PERCENT = 0.5, 6.0  # least number in a step about the median, as a share of the mean; but for few steps
FAR = 30.0  # m from the median of the points: the origin is then that of a map rather than of a lidar
CLOSE, LEAST_CLOSE = 16.0, 0.3  # m about a lidar, with so many of its points at least; maps have as many everywhere
MEDIAN_STEPS = 20  # of Weiszfeld's iteration
NEAR, GROUND_PERCENT = 8.0, 20.0  # m about the lidar, where so many of the points are below the ground or on it
USUAL_HEIGHT = 1.65  # m over the ground, of the cameras of cars


def places(xyz: NDArray[Any]) -> NDArray[np.complex128]:
    """Places x + iy (N,) of points (N, 3). No matrix product: after one of complex numbers the idle threads of OpenBLAS
    spin for a tenth of a second."""
    x, y = xyz[:, :2].T.astype(np.float64)
    return np.asarray(x + 1.0j * y)


def geometric_median(place: NDArray[Any]) -> Any:
    """The geometric median of places x + iy (N,), which turns with them (Weiszfeld 1937). The lidar is near it."""
    median = place.mean()
    for _ in range(MEDIAN_STEPS):
        weight = 1.0 / np.maximum(np.abs(place - median), 1e-3)
        median = (weight @ place) / weight.sum()
    return median


def is_full_turn(xyz: NDArray[np.float32]) -> bool:
    """Whether points (N, 3) lie all round the origin of their frame, or would if it were not moved.

    A sector of a lidar has about as many points in each direction from its origin. The origin of a moved cloud may be
    behind a wall, with most of a full turn on one side. These points are not even, but all round their median. Objects
    may hide parts. A sector of more than 135 deg counts, and so does a cloud without points.
    """
    place = places(_sampled(xyz))
    place = place[np.isfinite(place)]
    if not len(place):
        return True
    median = geometric_median(place)
    about_median = _counts(place - median)
    counts = about_median if abs(median) > FAR else _counts(place)
    filled = np.flatnonzero(counts > LEAST_SHARE * len(place))
    empty = np.diff(np.append(filled, filled[0] + STEPS)) - 1
    if empty.max() * 360.0 / STEPS <= MOST_EMPTY_DEG:
        return True
    whole = np.sort(counts[filled])[BORDERS:] if len(filled) > 2 * BORDERS else counts[filled]
    is_moved = whole.std() > UNEVEN * whole.mean()
    return bool(is_moved and _lie_around(about_median))


def lidar_place(xyz: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """The place (3,) of a vehicle's lidar, m, from its cloud (N, 3) alone, whose z axis points up: the geometric median
    of the points, at the usual height over the ground there. None where they do not lie all round it, or where too few
    of them are near it, as in a map."""
    points = _sampled(xyz)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    place, z = places(points), points[:, 2]
    median = geometric_median(place)
    distance = np.abs(place - median)
    if (distance < CLOSE).mean() < LEAST_CLOSE or not _lie_around(_counts(place - median)):
        return None
    near = z[distance < NEAR]
    ground = np.percentile(near if len(near) else z, GROUND_PERCENT)
    return np.array([median.real, median.imag, ground + USUAL_HEIGHT])


def _sampled(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some of the points (N, 3), evenly."""
    return xyz[:: max(1, len(xyz) // SAMPLED)]


def _lie_around(counts: NDArray[np.int64]) -> bool:
    """Whether points with these numbers (STEPS,) in equal steps of a turn lie all round, but for few steps."""
    return bool(np.percentile(counts, BORDER_PERCENT) >= AROUND * counts.mean())


def _counts(place: NDArray[Any]) -> NDArray[np.int64]:
    """(STEPS,) numbers of places x + iy (N,) in equal steps of a turn."""
    steps = np.floor((np.angle(place) / (2.0 * np.pi) + 0.5) * STEPS).astype(np.int64) % STEPS
    return np.bincount(steps, minlength=STEPS)

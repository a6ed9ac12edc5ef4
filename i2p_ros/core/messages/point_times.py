# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times of points: their unit and their start follow from the values, because drivers agree on neither."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.types import Points

MIN_SWEEP_S, MAX_SWEEP_S = 0.004, 2.0  # the time that one cloud takes to measure; the ratio is below 1000: see _unit
UNITS = (1, 10**3, 10**6, 10**9)  # parts of a second: s, ms, us, ns
# Ouster, Velodyne, Hesai and RoboSense, Autoware, Livox, Aeva
TIME_FIELDS = ("t", "time", "timestamp", "time_stamp", "offset_time", "point_time", "time_offset", "time_offset_ns")


def seconds_since(stamp: int, values: NDArray[Any], measured: NDArray[np.bool_]) -> Points:
    """Seconds (N,) float32 since the stamp (ns) at which points were measured; NaN where a time is missing.

    `measured` (N,) marks points that exist: drivers write any time, often 0, for pulses without an echo. Values may be
    absolute or count from the stamp, in s, ms, us or ns, as integers or floats:

    - They are absolute in a unit if they are within MAX_SWEEP_S of the stamp in it. A 0 is then a missing time.
    - Otherwise they count from the stamp, in the unit whose span is MIN_SWEEP_S to MAX_SWEEP_S. If there is no such
      unit, it is the coarsest in which the span is shorter, as of a single packet. Without one, all times are NaN.
    """
    values = values.astype(values.dtype.newbyteorder("="))  # contiguous
    times = np.full(len(values), np.nan, np.float32)
    known = measured & np.isfinite(values)
    unit, is_absolute = time_unit(stamp, values, measured)
    if is_absolute:
        set_ = known & (values != 0)
        times[set_] = _since(stamp, values[set_], unit)
    elif unit:
        with np.errstate(over="ignore"):
            times[known] = values[known] / unit
    return times


def time_unit(stamp: int, values: NDArray[Any], measured: NDArray[np.bool_]) -> tuple[int, bool]:
    """Parts of a second in which times of points count, and whether they are absolute; 0 parts if no unit fits.

    The arguments, and the rules, are those of `seconds_since`.
    """
    known = measured & np.isfinite(values)
    if unit := _absolute_unit(stamp, values[known & (values != 0)]):
        return unit, True
    return _unit(values[known]), False


def _absolute_unit(stamp: int, values: NDArray[Any]) -> int:
    """Unit in which all values are absolute times near the stamp (ns), or 0 if there is none.

    In simulated time the stamp may be near 0. Values nearer to 0 than to the stamp count from the stamp.
    """
    if not len(values):
        return 0
    first, last, start = float(values.min()), float(values.max()), stamp / 1e9
    for unit in UNITS:
        gap = abs(first / unit - start)
        if gap <= MAX_SWEEP_S and gap < abs(first / unit) and last - first <= MAX_SWEEP_S * unit:
            return unit
    return 0


def _unit(values: NDArray[Any]) -> int:
    """Unit in which the span of relative times is that of a sweep, or else shorter, or 0 if there is none.

    A sweep fits at most one, because the limits differ by less than the factor between two units. Equal values have no
    span, and fit any unit: the finest.
    """
    if not len(values):
        return 0
    span = float(values.max()) - float(values.min())
    if span == 0.0:
        return UNITS[-1]
    fitting = (unit for unit in UNITS if MIN_SWEEP_S <= span / unit <= MAX_SWEEP_S)
    return next(fitting, 0) or next((unit for unit in UNITS if span / unit < MIN_SWEEP_S), 0)


def _since(stamp: int, values: NDArray[Any], unit: int) -> NDArray[Any]:
    """Seconds (N,) from the stamp (ns) to absolute times. Integers are exact: float64 knows such ns to 256 ns."""
    if values.dtype.kind in "iu":
        return (values.astype(np.int64) * (UNITS[-1] // unit) - stamp) / UNITS[-1]
    start = float(stamp) if unit == UNITS[-1] else stamp / (UNITS[-1] / unit)
    return (values.astype(np.float64) - start) / unit

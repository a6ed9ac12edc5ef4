# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drifts as others read them: levels, a transform with covariance, and the values of each axis as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from i2p_ros.core.geometry import Array, Pose, so3_exp

AXES = ("tx", "ty", "tz", "rx", "ry", "rz")  # of the optical frame: right, down, forward
UNITS = ("cm", "cm", "cm", "deg", "deg", "deg")
SCALES = (100.0, 100.0, 100.0, *np.degrees([1.0, 1.0, 1.0]))  # from m and rad
INTERVAL = 1.959964  # standard deviations of a normal distribution, within which 95 % lie
UNKNOWN_VARIANCE = 1e6  # m2 and rad2, of an axis whose drift is unknown


class Level(str, Enum):
    """State of a calibration, from the least severe to the most severe."""

    OK = "ok"  # no drift
    UNSURE = "unsure"  # no drift is detected, but not all axes are observed
    WARN = "warn"  # a drift within the tolerance
    ALARM = "alarm"  # a drift beyond the tolerance

    @property
    def severity(self) -> int:
        """Rank in this order, from 0."""
        return list(Level).index(self)

    @property
    def diagnostic(self) -> int:
        """Level of a diagnostic_msgs/DiagnosticStatus: 0 (OK), 1 (WARN) or 2 (ERROR)."""
        return {Level.OK: 0, Level.UNSURE: 1, Level.WARN: 1, Level.ALARM: 2}[self]


def drift_transform(drift: Sequence[float] | Array) -> Pose:
    """Transform of a drift (6,), along the camera's axes."""
    return Pose(so3_exp(drift[3:]), np.asarray(drift[:3], np.float64))


def drift_covariance(half: Sequence[float | None] | Array) -> Array:
    """Diagonal covariance (6, 6) whose 95 % intervals have these half widths, m and rad. None means unknown."""
    widths = [value if value is not None and np.isfinite(value) else None for value in half]
    variances = [UNKNOWN_VARIANCE if value is None else (value / INTERVAL) ** 2 for value in widths]
    return np.diag(np.minimum(variances, UNKNOWN_VARIANCE))


class AxisRow(NamedTuple):
    """One axis of a verdict, in its unit, cm or deg. Numbers are None where they are unknown.

    `state` is "moved", "steady" or "not observed". `half` is half the width of the 95 % interval.
    """

    axis: str
    unit: str
    state: str
    drift: float | None
    half: float | None
    detectable: float | None

    def texts(self, unknown: str = "unknown") -> dict[str, str]:
        """Drift, half width and detectable drift by name, with two decimals and the unit."""
        numbers = {"drift": self.drift, "half": self.half, "detectable": self.detectable}
        return {name: unknown if n is None else f"{n:.2f} {self.unit}" for name, n in numbers.items()}


def axis_rows(verdict: Mapping[str, Any]) -> list[AxisRow]:
    """Six rows of a verdict in its JSON form, in the order of AXES."""
    rows = []
    for i, (axis, unit, scale) in enumerate(zip(AXES, UNITS, SCALES, strict=True)):
        state = "moved" if axis in verdict["moved"] else "steady" if verdict["observed"][i] else "not observed"
        values = (verdict[name][i] for name in ("drift", "half", "detectable"))
        rows.append(AxisRow(axis, unit, state, *(None if value is None else value * scale for value in values)))
    return rows


def verdict_values(verdict: Mapping[str, Any]) -> dict[str, str]:
    """Texts by name of a verdict in its JSON form: level, course, since, and for each axis its drift and interval."""
    values = {"level": verdict["level"], "course": verdict["course"] or "", "since": str(verdict["since"] or "")}
    for row in axis_rows(verdict):
        values[row.axis] = row.state
        for name, value in (("", row.drift), ("_half", row.half), ("_detectable", row.detectable)):
            values[f"{row.axis}{name}_{row.unit}"] = "unknown" if value is None else f"{value:.4g}"
    return values

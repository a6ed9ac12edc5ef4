# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a drift is told to others: as a transform with covariance, and by axis in numbers for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from i2p_ros.core.geometry import Array, Pose, so3_exp

AXES = ("tx", "ty", "tz", "rx", "ry", "rz")  # of the optical frame: right, down, forward
UNITS = ("cm", "cm", "cm", "deg", "deg", "deg")
SCALES = (100.0, 100.0, 100.0, *np.degrees([1.0, 1.0, 1.0]))  # from m and rad
INTERVAL = 1.959964  # standard deviations of a normal distribution, within which 95 % lie
UNKNOWN_VARIANCE = 1e6  # m2 and rad2, of an axis that nothing is known of


def drift_transform(drift: Sequence[float] | Array) -> Pose:
    """The translation and rotation (6,) as a transform, along the camera's axes."""
    return Pose(so3_exp(drift[3:]), np.asarray(drift[:3], np.float64))


def drift_covariance(half: Sequence[float | None] | Array) -> Array:
    """(6, 6) diagonal whose 95 % intervals have these half widths, m and rad; none is unknown."""
    widths = [value if value is not None and np.isfinite(value) else None for value in half]
    variances = [UNKNOWN_VARIANCE if value is None else (value / INTERVAL) ** 2 for value in widths]
    return np.diag(np.minimum(variances, UNKNOWN_VARIANCE))


def verdict_values(verdict: Mapping[str, Any]) -> dict[str, str]:
    """A verdict in the form of JSON as texts by name: level, course, since, and each axis with its interval."""
    values = {"level": verdict["level"], "course": verdict["course"] or "", "since": str(verdict["since"] or "")}
    for i, (axis, unit, scale) in enumerate(zip(AXES, UNITS, SCALES, strict=True)):
        state = "moved" if axis in verdict["moved"] else "steady" if verdict["observed"][i] else "not observed"
        values[axis] = state
        for name, key in (("drift", ""), ("half", "_half"), ("detectable", "_detectable")):
            value = verdict[name][i]
            values[f"{axis}{key}_{unit}"] = "unknown" if value is None else f"{value * scale:.4g}"
    return values

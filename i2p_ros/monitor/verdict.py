# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The verdict on a calibration after each window, its reasons in words, and its form in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.drifts import AXES, SCALES, UNITS, Level
from i2p_ros.core.geometry import Array
from i2p_ros.core.plain import finite

Flags = NDArray[np.bool_]


class Course(str, Enum):
    """Course of a drift at its begin."""

    STEP = "step"  # at once
    RAMP = "ramp"  # over time
    UNDECIDED = "undecided"


class Onset(NamedTuple):
    """The begin of a drift: its course, and the stamp (ns) of the first estimate that has the drift."""

    course: Course
    since: int


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The drift of one camera against one lidar at a stamp (ns). Axes are those of AXES, in m and rad.

    `drift` (6,) is counted from the nominal calibration or from the accepted state. It is NaN where it is unknown.
    `half` (6,) is half the width of its 95 % intervals. It is infinite where it is unknown.
    `detectable` (6,) is the smallest drift that the test would detect now.
    `observed` (6,) says for each axis whether `detectable` is within the settings' limit.
    `moved` names the axes that have drifted. `since` (ns) and `course` describe the onset of that drift.
    `baseline` (6,) is the slow variation that was learned as normal.
    """

    stamp: int
    level: Level
    drift: Array
    half: Array
    detectable: Array
    observed: tuple[bool, ...]
    moved: tuple[str, ...] = ()
    since: int | None = None
    course: Course | None = None
    reasons: tuple[str, ...] = ()
    baseline: Array = field(default_factory=lambda: np.zeros(6))

    @property
    def onset(self) -> Onset | None:
        """Course and begin of the drift, or none where nothing has drifted."""
        return None if self.course is None or self.since is None else Onset(self.course, self.since)

    @property
    def text(self) -> str:
        """The reasons in one line, or the level where there are none."""
        return "; ".join(self.reasons) or f"calibration {self.level.value}"

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain values for JSON, in m, rad and ns. Values that are not finite become null."""
        arrays = {"drift": self.drift, "half": self.half, "detectable": self.detectable, "baseline": self.baseline}
        return {
            "level": self.level.value,
            "course": None if self.course is None else self.course.value,
            **{name: _finite(values) for name, values in arrays.items()},
            "observed": list(self.observed),
            "moved": list(self.moved),
            "since": self.since,
            "reasons": list(self.reasons),
        }


def reasons_in_words(drift: Array, half: Array, detectable: Array, moved: Flags, observed: Flags) -> tuple[str, ...]:
    """A sentence for each axis that has drifted or is not observed. Arrays are (6,), in m and rad."""
    lines = []
    for i, (axis, scale, unit) in enumerate(zip(AXES, SCALES, UNITS, strict=True)):
        if moved[i]:
            lines.append(f"{axis} moved by {drift[i] * scale:+.2f} +- {half[i] * scale:.2f} {unit}")
        elif not observed[i]:
            lines.append(f"{axis} is not observed: less than {detectable[i] * scale:.2f} {unit} would go unnoticed")
    return tuple(lines)


def _finite(values: Sequence[float] | Array) -> list[float | None]:
    return [finite(value) for value in values]

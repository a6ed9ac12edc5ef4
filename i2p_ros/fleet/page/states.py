# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a vehicle, from its verdicts in the order of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from i2p_ros.core.drifts import AXES, SCALES, UNITS, Level

ANGLES = {"rx": "pitch", "ry": "yaw", "rz": "roll"}  # rotations about right, down and forward
RANGE_M = 10.0
MOVED = (Level.WARN.value, Level.ALARM.value)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RigState:
    """The verdict that counts for one camera and lidar in one task. `verdict` is a row of the table, or none."""

    camera: str
    lidar: str
    task: str
    level: str
    verdict: Row
    newest: Row

    @property
    def moved(self) -> list[str]:
        """Axes that moved, the largest drift for its interval first. None unless the level says that one has."""
        return moved_axes(self.verdict)

    @property
    def shift(self) -> float:
        """Largest displacement (m) of a point RANGE_M away by the axes that moved: |t| + 2 RANGE_M sin(|theta| / 2)."""
        drift = [self.verdict[axis] if axis in self.moved else 0.0 for axis in AXES]
        return math.hypot(*drift[:3]) + 2 * RANGE_M * math.sin(min(math.hypot(*drift[3:]), math.pi) / 2)

    @property
    def sentence(self) -> str:
        """What moved by how much, the largest first; otherwise the text of the verdict."""
        return "; ".join(moved_by(self.verdict, axis) for axis in self.moved) or self.verdict["text"] or ""


def rig_states(verdicts: Iterable[Row]) -> list[RigState]:
    """The state of each camera, lidar and task, the worst first. Verdicts are rows in the order of time.

    The newest verdict counts. If it is `unsure`, the newest verdict with another level counts where that is worse: a
    drive that does not observe an axis does not clear an alarm.
    """
    by_rig: dict[tuple[str, str, str], list[Row]] = {}
    for row in verdicts:
        by_rig.setdefault((row["camera"] or "", row["lidar"] or "", row["task"] or ""), []).append(row)
    states = [_state(rig, rows) for rig, rows in by_rig.items()]
    return sorted(
        states, key=lambda state: (-severity(state.level), -state.shift, state.camera, state.lidar, state.task)
    )


def _state(rig: tuple[str, str, str], rows: Sequence[Row]) -> RigState:
    newest = rows[-1]
    decided = [newest] if _decides(newest) else [row for row in rows if _decides(row)][-1:]
    counts = max([newest, *decided], key=lambda row: severity(row["level"]))
    return RigState(*rig, counts["level"] or "", counts, newest)


def _decides(row: Row) -> bool:
    return row["level"] not in (Level.UNSURE.value, "", None)


def severity(level: str | None) -> int:
    """Rank of a level from 0, or -1 where there is none."""
    return Level(level).severity if level else -1


def moved_axes(verdict: Row) -> list[str]:
    """Axes whose 95 % interval excludes zero, the largest drift for its interval first.

    There are none unless the level is one of MOVED: of six steady axes, one interval in four drives excludes zero.
    """
    ratios = {}
    for axis in AXES if verdict["level"] in MOVED else ():
        drift, half = verdict[axis], verdict[f"half_{axis}"]
        if drift is not None and half is not None and abs(drift) > half:  # False also where one is not a number
            ratios[axis] = abs(drift) / max(half, 1e-12)
    return sorted(ratios, key=lambda axis: -ratios[axis])


def moved_by(verdict: Row, axis: str) -> str:
    """A sentence such as `ry (yaw) moved by +0.62 ± 0.08 deg`."""
    i = AXES.index(axis)
    name = f"{axis} ({ANGLES[axis]})" if axis in ANGLES else axis
    drift, half = verdict[axis] * SCALES[i], verdict[f"half_{axis}"] * SCALES[i]
    return f"{name} moved by {drift:+.2f} ± {half:.2f} {UNITS[i]}"

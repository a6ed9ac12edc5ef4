# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drifts of known size, and drives whose camera moves by them.

A camera that moves by d is made by moving the clouds the other way: the image of every pair is then taken at
T_camera_lidar.retract(d), while the nominal calibration stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.drifts import AXES
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair

RAMP_S = 20.0  # that a ramp takes to its full size
SHAKE_S = 5.0  # a loose camera changes its place after so long


@dataclass(frozen=True)
class DriftCase:
    """A drift (6,), m and rad, and its course: none, step, ramp, loosening or constant."""

    kind: str
    axis: str
    drift: tuple[float, ...]

    def at(self, since_s: float) -> Array:
        """Drift (6,) at a time since the onset, s; zero before it."""
        full = np.array(self.drift)
        if self.kind == "constant":
            return full
        if since_s < 0 or self.kind == "none":
            return np.zeros(6)
        if self.kind == "ramp":
            return full * min(1.0, since_s / RAMP_S)
        if self.kind == "loosening":
            return full * (1.0 if int(since_s / SHAKE_S) % 2 == 0 else 0.5)
        return full

    @property
    def reversed(self) -> DriftCase:
        """The case with the opposite drift."""
        return replace(self, drift=tuple(-value for value in self.drift))


def cases(kinds: Iterable[str], degrees: Iterable[float], centimetres: Iterable[float]) -> list[DriftCase]:
    """The case without a drift, and each kind on each axis and on all of them, in each size."""
    found = [DriftCase("none", "none", (0.0,) * 6)]
    for kind in kinds:
        for deg, cm in zip(degrees, centimetres, strict=True):
            sizes = np.repeat([cm / 100.0, np.radians(deg)], 3)
            found += [DriftCase(kind, axis, tuple(sizes * np.eye(6)[i])) for i, axis in enumerate(AXES)]
            found.append(DriftCase(kind, "mixed", tuple(sizes * np.array([1, -1, 1, -1, 1, -1]) / np.sqrt(3.0))))
    return found


@dataclass(frozen=True)
class DriftRun:
    """Pairs of one drive whose camera moves by a case from the onset (s) on; `true` is its T_camera_lidar before."""

    pairs: Sequence[Pair]
    true: Pose
    case: DriftCase
    onset: float

    def moved(self) -> list[Pair]:
        """Pairs as the moved camera would have taken them."""
        return [_moved(pair, self.true, self.case.at(self.seconds(pair.stamp) - self.onset)) for pair in self.pairs]

    def seconds(self, stamp: int) -> float:
        """Time of a stamp (ns) since the start, s."""
        return (stamp - self.pairs[0].stamp) * 1e-9

    @property
    def unmoved(self) -> int:
        """Number of pairs before the onset."""
        return sum(self.seconds(pair.stamp) < self.onset for pair in self.pairs)

    @property
    def truth(self) -> Array:
        """Drift (6,) at the end."""
        return self.case.at(self.seconds(self.pairs[-1].stamp) - self.onset)


def _moved(pair: Pair, true: Pose, drift: Array) -> Pair:
    return replace(pair, cloud=pair.cloud.transformed(true.retract(drift).inverse() @ true)) if drift.any() else pair

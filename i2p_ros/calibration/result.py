# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a calibration: a pose with its intervals, or a status that says why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.drifts import INTERVAL
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.observability import Direction
from i2p_ros.core.types import Image


class CalibrationStatus(str, Enum):
    """Whether there is a calibration, and if not, why not."""

    OK = "ok"
    TOO_FEW_PAIRS = "too_few_pairs"  # too few pairs with different images that show something
    NO_CONSENSUS = "no_consensus"  # the network's poses of the pairs do not agree
    POOR_SCENE = "poor_scene"  # image and cloud have too little in common at the pose
    NO_MATCH = "no_match"  # they have hardly more in common than at poses about it: another time, or another place
    NOT_REPEATABLE = "not_repeatable"  # halves of the pairs give different calibrations


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationResult:
    """The extrinsic calibration of one camera and one lidar: T_camera_lidar `pose` if `status` is OK, else None.

    `covariance` (6, 6) is that of the delta of `Pose.retract` along camera axes, m and rad, without the systematic
    offset, whose bound (6,) is `systematic`. `halves` (6,) are the largest differences of calibrations of two halves of
    the pairs. `stated` is the T_camera_lidar that the recordings state; it is not used. `used` of `pairs` read pairs
    were chosen, and `agreeing` of `localized` ones have own poses near the result. `margin` is the excess of their log
    likelihood over that near the best different pose, nats a pair. `nats` is the mutual information a pair. It exceeds
    that at poses about the result by `standout` standard deviations.
    """

    recording: str
    frames: tuple[str, str]  # of camera and lidar
    status: CalibrationStatus
    reason: str = ""
    pose: Pose | None = None
    covariance: Array | None = None
    systematic: Array = field(default_factory=lambda: np.zeros(6))
    halves: Array | None = None
    directions: tuple[Direction, ...] = ()
    pairs: int = 0
    used: int = 0
    localized: int = 0
    agreeing: int = 0
    margin: float | None = None
    nats: float | None = None
    standout: float | None = None
    stated: Pose | None = None
    camera: Camera | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    pictures: Mapping[str, Image] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def std(self) -> Array | None:
        """Standard deviations (6,), m and rad, without the systematic offset."""
        return None if self.covariance is None else np.sqrt(np.diag(self.covariance))

    @property
    def half(self) -> Array | None:
        """Half widths (6,) of the 95 % intervals, m and rad, with the systematic offset."""
        return None if self.std is None else INTERVAL * self.std + self.systematic

    def to_json(self) -> dict[str, Any]:
        """The result without pictures as plain values, in m and rad."""
        return {
            "recording": self.recording, "camera": self.frames[0], "lidar": self.frames[1],
            "frames": list(self.frames), "status": self.status.value, "reason": self.reason,
            "T_camera_lidar": None if self.pose is None else self.pose.matrix.tolist(),
            "std": _listed(self.std), "half": _listed(self.half), "halves": _listed(self.halves),
            "covariance": _listed(self.covariance), "systematic": self.systematic.tolist(),
            "directions": {direction.axis: direction.to_json() for direction in self.directions},
            "pairs": self.pairs, "used": self.used, "localized": self.localized, "agreeing": self.agreeing,
            "margin": self.margin, "nats": self.nats, "standout": self.standout,
            "T_camera_lidar_stated": None if self.stated is None else self.stated.matrix.tolist(),
            "left_out": dict(self.left_out), "notes": list(self.notes), "seconds": self.seconds,
        }  # fmt: skip


def _listed(values: Array | None) -> list[Any] | None:
    return None if values is None else list(values.tolist())

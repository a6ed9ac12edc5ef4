# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well a recording shows each axis of an extrinsic calibration, in a word, and which drive would show it better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from i2p_ros.core.drifts import AXES, INTERVAL
from i2p_ros.core.geometry import Array

WEAK_SHARE = 0.1  # of the mean information of the six axes
WEAK_HALF = 0.5  # of the limit of an observed axis: a wider 95 % interval is weak
CURES = {
    "tx": "drive past walls, poles or parked cars within 10 m, so that near and far things are in one image",
    "ty": "drive where near things reach from the ground to above the camera: parked cars, poles, walls within 10 m",
    "tz": "drive closer to structure and turn: tz is along the viewing direction, and only near things at the edges of "
    "the image show it",
    "rx": "record scenes with things at different heights and distances: facades, signs, kerbs, near and far",
    "ry": "record scenes with vertical edges at different distances: poles, trunks, corners of houses, near and far",
    "rz": "record scenes with structure at the left and at the right edge of the image, as narrow streets have",
}


class Seen(str, Enum):
    """How well an axis is seen."""

    WELL = "well seen"
    WEAK = "weak"
    NOT = "not seen"


@dataclass(frozen=True, slots=True)
class Direction:
    """One axis of AXES: the word, the share of information (see `information_shares`), and the cure where it is not
    well seen."""

    axis: str
    word: Seen
    share: float
    cure: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"word": self.word.value, "share": self.share, "cure": self.cure}


def information_shares(covariance: Array, limits: Array) -> Array:
    """(6,) information on each axis relative to the mean of the six: 1 where all axes are seen alike.

    `covariance` (6, 6) is that of the calibration, m and rad. `limits` (6,) make metres and radians comparable. The
    information on one axis, while the others are unknown too, is the Schur complement of the information matrix:
    1 / covariance[k, k] (Pukelsheim 2006, Optimal Design of Experiments, chapter 3). It is divided by a sixth of the
    trace of the diagonal matrix of all six, so that the length of a recording does not matter.
    """
    information = limits**2 / np.diag(covariance)
    return np.asarray(information / information.mean())


def directions(covariance: Array, limits: Array) -> tuple[Direction, ...]:
    """The six axes in the order of AXES, for a calibration with this covariance (6, 6), m and rad.

    An axis is not seen if its 95 % interval is wider than its limit (6,), m and rad. It is weak if its interval is
    wider than half of that, or its share of information is below WEAK_SHARE.
    """
    half = INTERVAL * np.sqrt(np.diag(covariance))
    shares = information_shares(covariance, limits)
    found = []
    for axis, share, used in zip(AXES, shares.tolist(), (half / limits).tolist(), strict=True):
        weak = used > WEAK_HALF or share < WEAK_SHARE
        word = Seen.NOT if used > 1.0 else Seen.WEAK if weak else Seen.WELL
        found.append(Direction(axis, word, share, "" if word is Seen.WELL else CURES[axis]))
    return tuple(found)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated lake: short recordings of several vehicles, some of which drift."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Array
from i2p_ros.core.source import Source
from i2p_ros.core.types import Sample
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag

SIZES = SyntheticSettings(drive=True, rate_hz=1.0, width=384, height=120, points=20000)
PAIRS = 6
HOUR = 3600 * 10**9  # ns
NO_DRIFT = np.zeros(6)
DRIFT = np.array([0.0, 0.0, 0.0, np.radians(0.8), 0.0, 0.0])
QUICK = (  # settings by which six pairs are enough to find DRIFT
    "monitor.window=3",
    "monitor.rate_hz=1",
    "monitor.network_pairs=0",
    "watch.systematic_m=0",
    "watch.systematic_deg=0",
    "refinement.max_points=2500",
)


class SimulatedDrive(Source):
    """Six pairs of a synthetic drive in an hour of their own, whose stated calibration is off by a drift (6,)."""

    name = "drive"

    def __init__(self, number: int, drift: Array = NO_DRIFT, seed: int = 5) -> None:
        self._samples, self._drift, self._shift = rendered(seed), drift, (number + 1) * HOUR

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        sample = self._samples[index]
        assert sample.T_camera_lidar is not None
        pair = replace(sample.pair, stamp=sample.pair.stamp + self._shift)
        return Sample(pair, sample.T_camera_lidar.retract(-self._drift), sample.T_world_lidar)


@cache
def rendered(seed: int) -> tuple[Sample, ...]:
    """The samples of a drive."""
    source = SyntheticSource(SIZES, seed, PAIRS)
    return tuple(source[i] for i in range(PAIRS))


def write_lake(root: Path, n: int, drifting: Collection[int], vehicles: int = 3, seeds: int = 1) -> None:
    """Write n recordings root/busK/drive_NNNN of `seeds` different drives. Those of the drifting numbers are off."""
    for number in range(n):
        drive = SimulatedDrive(number, DRIFT if number in drifting else NO_DRIFT, 5 + number % seeds)
        write_bag(drive, root / f"bus{number % vehicles}" / f"drive_{number:04d}")

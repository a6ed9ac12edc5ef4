# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A lake of small synthetic recordings, some of which drift, and tables of a fleet as a user reads them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from i2p_ros.core.config import Settings, SyntheticSettings, load_settings
from i2p_ros.core.geometry import Array
from i2p_ros.core.source import Source
from i2p_ros.core.types import Sample
from i2p_ros.fleet.index import made_index
from i2p_ros.fleet.run import FleetPlan
from i2p_ros.fleet.tables import read_table
from i2p_ros.fleet.tasks import Limits
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag

HOUR = 3600 * 10**9
NO_DRIFT = np.zeros(6)
DRIFT = np.array([0.0, 0.0, 0.0, np.radians(0.8), 0.0, 0.0])
PAIRS = 6
QUICK = (
    "monitor.window=3", "monitor.rate_hz=1", "monitor.network_pairs=0", "watch.systematic_m=0",
    "watch.systematic_deg=0", "refinement.max_points=2500",
)  # fmt: skip
UNSTEADY = {"seconds", "time"}  # columns that no two runs share, but for the time of a window and of a pair


@cache
def rendered(seed: int) -> tuple[Sample, ...]:
    """Six small pairs of a drive."""
    settings = SyntheticSettings(drive=True, rate_hz=1.0, width=384, height=120, points=20000)
    source = SyntheticSource(settings, seed, PAIRS)
    return tuple(source[i] for i in range(PAIRS))


class SmallDrive(Source):
    """A drive at a time, whose stated calibration is off by a drift."""

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


def write_lake(root: Path, n: int, drifting: Sequence[int], vehicles: int = 3) -> None:
    """Recordings root/busK/drive_NN; those of the `drifting` numbers are off by DRIFT."""
    for number in range(n):
        drive = SmallDrive(number, DRIFT if number in drifting else NO_DRIFT)
        write_bag(drive, root / f"bus{number % vehicles}" / f"drive_{number:02d}")


def options(*settings: str) -> list[str]:
    """Settings as words of the command line, with those of quick runs."""
    return [word for setting in (*QUICK, *settings) for word in ("--set", setting)]


def rows(out: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a table, with times as integers, ns."""
    return read_table((out / f"{name}.parquet").read_bytes(), name, str(out))[0]


def steady_bytes(out: Path) -> dict[str, bytes]:
    """Content of the tables of an output that must not depend on the run: whole files, or without unsteady columns."""
    found = {name: (out / f"{name}.parquet").read_bytes() for name in ("windows", "pairs", "calibrations")}
    for name in ("verdicts", "quarantine"):
        table = parquet.read_table(out / f"{name}.parquet")
        kept = table.drop_columns([column for column in table.column_names if column in UNSTEADY])
        parquet.write_table(kept, out / "compared.parquet")
        found[name] = (out / "compared.parquet").read_bytes()
        (out / "compared.parquet").unlink()
    pictures = sorted(out.glob("pictures/*/*"))
    return found | {str(path.relative_to(out)): path.read_bytes() for path in pictures}


def settings(*more: str) -> Settings:
    """Settings of quick runs."""
    return load_settings(overrides=[*QUICK, *more])


def plan(
    verb: str = "monitor", more: Sequence[str] = (), seconds: float = 300.0, gb: float = 8.0, **rest: Any
) -> FleetPlan:
    """A plan for a quick run."""
    return FleetPlan(verb, settings(*more), Limits(seconds, round(gb * 1e9)), **rest)


def indexed(root: Path | str, *more: str) -> list[dict[str, Any]]:
    """The index of a folder or URI."""
    return made_index(str(root), settings(*more), [])

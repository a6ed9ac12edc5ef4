# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quick runs on a simulated lake, and tables of a fleet as a user reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings, load_settings
from i2p_ros.fleet.index import made_index
from i2p_ros.fleet.run import FleetPlan
from i2p_ros.fleet.simulated import QUICK
from i2p_ros.fleet.tables import read_table
from i2p_ros.fleet.tasks import Limits


def options(*settings: str) -> list[str]:
    """Settings as words of the command line, with those of quick runs."""
    return [word for setting in (*QUICK, *settings) for word in ("--set", setting)]


def rows(out: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a table, with times as integers, ns."""
    return read_table((out / f"{name}.parquet").read_bytes(), name, str(out))[0]


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
    return made_index(str(root), settings(*more), []).rows

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was estimated and judged, kept in SQLite: a row that `record` returned from is there after any kill."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.monitor.refinement import Drift
from i2p_ros.monitor.watch import Verdict

BUSY_S = 5.0  # s that a locked database is waited for
SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY,
    vehicle TEXT NOT NULL, camera TEXT NOT NULL, lidar TEXT NOT NULL, epoch INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    estimate TEXT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_rig ON record (vehicle, camera, lidar, epoch, stamp);
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """Whose calibration: `epoch` counts how often its nominal calibration was set anew."""

    vehicle: str
    camera: str
    lidar: str
    epoch: int = 0


class History:
    """One file for any number of vehicles and writers. Raises InputError where it is locked, full or no database."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with self._speaking():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")  # on the disk before `record` returns, even if power fails
            self._db.executescript(SCHEMA)

    def record(self, rig: Rig, drift: Drift, verdict: Verdict) -> None:
        """Keep an estimate and what was thought of it."""
        row = (rig.vehicle, rig.camera, rig.lidar, rig.epoch, drift.stamp, _drift_json(drift), _verdict_json(verdict))
        with self._speaking():
            self._db.execute(
                "INSERT INTO record (vehicle, camera, lidar, epoch, stamp, estimate, verdict) VALUES (?,?,?,?,?,?,?)",
                row,
            )

    def rows(self, vehicle: str | None = None) -> Iterator[dict[str, Any]]:
        """Records in order of time, of one vehicle or all."""
        with self._speaking():
            found = self._db.execute(
                "SELECT vehicle, camera, lidar, epoch, stamp, estimate, verdict FROM record"
                " WHERE ?1 IS NULL OR vehicle = ?1 ORDER BY stamp, id",
                (vehicle,),
            )
            names = [column[0] for column in found.description]
            for row in found:
                record = dict(zip(names, row, strict=True))
                yield record | {name: json.loads(record[name]) for name in ("estimate", "verdict")}

    def forget(self, before: int) -> int:
        """How many records from before a stamp (ns) were removed."""
        with self._speaking():
            return self._db.execute("DELETE FROM record WHERE stamp < ?", (before,)).rowcount

    def close(self) -> None:
        """End the connection."""
        self._db.close()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"the history {self.file} cannot be used: {one_line(error)}", "history") from error


def _drift_json(drift: Drift) -> str:
    numbers = {"information": drift.information, "gain": drift.gain, "frames": drift.frames}
    return json.dumps({"delta": drift.delta.tolist(), "covariance": drift.covariance.tolist(), **numbers})


def _verdict_json(verdict: Verdict) -> str:
    finite = {name: [_number(v) for v in getattr(verdict, name)] for name in ("drift", "half", "detectable")}
    course = None if verdict.course is None else verdict.course.value
    rest = {"observed": verdict.observed, "moved": verdict.moved, "since": verdict.since, "reasons": verdict.reasons}
    return json.dumps({"level": verdict.level.value, "course": course, **finite, **rest})


def _number(value: float) -> float | None:
    return float(value) if abs(value) < float("inf") else None

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was estimated and judged, kept in SQLite: a row that `record` returned from is there after any kill."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.alignment.window import Drift
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.monitor.watch import Course, Onset, Reference, Verdict

BUSY_S = 5.0  # s that a locked database is waited for
OURS = 0x69327064  # SQLite's application_id, "i2pd"
SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY,
    vehicle TEXT NOT NULL, camera TEXT NOT NULL, lidar TEXT NOT NULL, epoch INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    estimate TEXT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_rig ON record (vehicle, camera, lidar, epoch, stamp);
CREATE TABLE IF NOT EXISTS epoch (
    vehicle TEXT NOT NULL, camera TEXT NOT NULL, lidar TEXT NOT NULL, epoch INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    nominal TEXT NOT NULL,
    reference TEXT,
    PRIMARY KEY (vehicle, camera, lidar, epoch)
);
"""
INSERT = """
INSERT INTO record (vehicle, camera, lidar, epoch, stamp, estimate, verdict) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE NOT EXISTS (SELECT 1 FROM record WHERE
    vehicle = ?1 AND camera = ?2 AND lidar = ?3 AND epoch = ?4 AND stamp = ?5 AND estimate = ?6 AND verdict = ?7)
"""
OF_RIG = "vehicle = ? AND camera = ? AND lidar = ?"


@dataclass(frozen=True, slots=True)
class Rig:
    """Whose calibration: `epoch` counts how often what drift is counted from was set anew."""

    vehicle: str
    camera: str
    lidar: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """What drift is counted from: T_camera_lidar by the vehicle's papers, and the state that was accepted, if any."""

    nominal: Pose
    reference: Reference | None = None


class History:
    """One file for any number of vehicles and writers. Raises InputError where it is locked, full or no history."""

    def __init__(self, file: Path, read_only: bool = False) -> None:
        """A `read_only` one must be there, and is not changed."""
        self.file = file
        with self._speaking():
            if read_only:
                self._db = sqlite3.connect(_read_only(file), uri=True, timeout=BUSY_S)
                self._refuse_others()
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._refuse_others()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")  # on the disk before `record` returns, even if power fails
            self._db.execute(f"PRAGMA application_id={OURS}")  # before the tables: another writer may look at any time
            self._db.executescript(SCHEMA)

    def record(self, rig: Rig, drift: Drift, verdict: Verdict) -> None:
        """Keep an estimate and what was thought of it; once, for a recording may be judged again."""
        row = (*_key(rig), rig.epoch, drift.stamp, _drift_json(drift), _verdict_json(verdict))
        with self._speaking():
            self._db.execute(INSERT, row)

    def begin(self, rig: Rig, epoch: Epoch, stamp: int) -> Rig:
        """The rig in a new epoch, which begins at a stamp (ns)."""
        known = self.latest(rig)
        number = 0 if known is None else known[0].epoch + 1
        row = (*_key(rig), number, stamp, json.dumps(epoch.nominal.matrix.tolist()), _reference_json(epoch.reference))
        with self._speaking():
            self._db.execute("INSERT INTO epoch VALUES (?,?,?,?,?,?,?)", row)
        return replace(rig, epoch=number)

    def latest(self, rig: Rig) -> tuple[Rig, Epoch] | None:
        """The rig in its newest epoch, and that; none for a rig that is new."""
        with self._speaking():
            row = self._db.execute(
                f"SELECT epoch, nominal, reference FROM epoch WHERE {OF_RIG} ORDER BY epoch DESC LIMIT 1", _key(rig)
            ).fetchone()
            if row is None:
                return None
            known = row[2] and json.loads(row[2])
            reference = Reference(np.array(known["delta"]), np.array(known["covariance"])) if known else None
            return replace(rig, epoch=row[0]), Epoch(Pose.from_matrix(np.array(json.loads(row[1]))), reference)

    def newest(self, rig: Rig, count: int) -> tuple[list[Drift], Array, Onset | None]:
        """The last estimates of this epoch in order of time, the baseline (6,) that was learned, and how and since when
        the camera has moved, if it has."""
        with self._speaking():
            found = self._db.execute(
                f"SELECT stamp, estimate, verdict FROM record WHERE {OF_RIG} AND epoch = ?"
                " ORDER BY stamp DESC, id DESC LIMIT ?",
                (*_key(rig), rig.epoch, count),
            ).fetchall()
            if not found:
                return [], np.zeros(6), None
            drifts = [_drift(stamp, json.loads(estimate)) for stamp, estimate, _ in reversed(found)]
            last = json.loads(found[0][2])
            onset = None if last["course"] is None else (Course(last["course"]), int(last["since"]))
            return drifts, np.array(last["baseline"]), onset

    def rows(self, vehicle: str | None = None, since: int = 0) -> Iterator[dict[str, Any]]:
        """Records from a stamp (ns) on, in order of time, of one vehicle or all."""
        with self._speaking():
            found = self._db.execute(
                "SELECT vehicle, camera, lidar, epoch, stamp, estimate, verdict FROM record"
                " WHERE (?1 IS NULL OR vehicle = ?1) AND stamp >= ?2 ORDER BY stamp, id",
                (vehicle, since),
            )
            names = [column[0] for column in found.description]
            for row in found:
                record = dict(zip(names, row, strict=True))
                yield record | {name: json.loads(record[name]) for name in ("estimate", "verdict")}

    def forget(self, rig: Rig, before: int) -> int:
        """How many records of a rig from before a stamp (ns) were removed."""
        with self._speaking():
            return self._db.execute(f"DELETE FROM record WHERE {OF_RIG} AND stamp < ?", (*_key(rig), before)).rowcount

    def close(self) -> None:
        """End the connection."""
        self._db.close()

    def _refuse_others(self) -> None:
        if self._db.execute("PRAGMA application_id").fetchone()[0] != OURS:
            raise InputError(f"{self.file} is a database of something else, no history of drifts", "history")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, KeyError, TypeError, ValueError) as error:  # the last three: damaged JSON
            raise InputError(f"the history {self.file} cannot be used: {one_line(error)}", "history") from error


def _read_only(file: Path) -> str:
    """URI. In a folder that cannot be written, as of a copy, SQLite reads a database without its log only so."""
    log = file.with_name(f"{file.name}-wal")
    alone = not os.access(file.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def _key(rig: Rig) -> tuple[str, str, str]:
    return rig.vehicle, rig.camera, rig.lidar


def _drift_json(drift: Drift) -> str:
    numbers = {"information": drift.information, "gain": drift.gain, "frames": drift.frames}
    return json.dumps({"delta": drift.delta.tolist(), "covariance": drift.covariance.tolist(), **numbers})


def _drift(stamp: int, known: dict[str, Any]) -> Drift:
    arrays = np.array(known["delta"]), np.array(known["covariance"])
    return Drift(stamp, *arrays, known["information"], known["gain"], known["frames"])


def _reference_json(reference: Reference | None) -> str | None:
    if reference is None:
        return None
    return json.dumps({"delta": reference.delta.tolist(), "covariance": reference.covariance.tolist()})


def _verdict_json(verdict: Verdict) -> str:
    return json.dumps(as_json(verdict))


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON has it: none for what is infinite."""
    finite = {name: _finite(getattr(verdict, name)) for name in ("drift", "half", "detectable", "baseline")}
    course = None if verdict.course is None else verdict.course.value
    rest = {"observed": list(verdict.observed), "moved": list(verdict.moved), "since": verdict.since}
    return {"level": verdict.level.value, "course": course, **finite, **rest, "reasons": list(verdict.reasons)}


def _finite(values: Sequence[float] | Array) -> list[float | None]:
    return [float(value) if abs(value) < float("inf") else None for value in values]

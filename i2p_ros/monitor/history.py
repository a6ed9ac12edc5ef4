# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drift estimates and verdicts in SQLite. A record is on the disk when `record` returns, whatever happens then."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.alignment.window import Drift
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.monitor.sequential_test import Reference
from i2p_ros.monitor.verdict import Course, Onset, Verdict

BUSY_S = 5.0  # s: longest wait for a locked database
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
OLD_COURSES = {"knock": Course.STEP.value, "creep": Course.RAMP.value}  # of records of earlier versions


@dataclass(frozen=True, slots=True)
class MonitoredRig:
    """The vehicle, camera and lidar of a calibration. `epoch` counts its nominal calibrations and accepted states."""

    vehicle: str
    camera: str
    lidar: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """State that drift is counted from: the nominal T_camera_lidar, and the accepted state if there is one."""

    nominal: Pose
    reference: Reference | None = None


class History:
    """A database file for any number of vehicles and writers. Raises InputError if it is locked, full or no history."""

    def __init__(self, file: Path, read_only: bool = False) -> None:
        """Open the file, or create it. With `read_only` it must exist and is not changed."""
        self.file = file
        with self._translated_errors():
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
            self._db.execute(f"PRAGMA application_id={OURS}")  # before the tables, for writers that open the file now
            self._db.executescript(SCHEMA)

    def record(self, rig: MonitoredRig, drift: Drift, verdict: Verdict) -> None:
        """Add an estimate and its verdict. A record that is there already is not added again."""
        row = (*_key(rig), rig.epoch, drift.stamp, _drift_json(drift), json.dumps(verdict.to_json()))
        with self._translated_errors():
            self._db.execute(INSERT, row)

    def begin(self, rig: MonitoredRig, epoch: Epoch, stamp: int) -> MonitoredRig:
        """The rig in a new epoch that begins at a stamp, ns."""
        latest = self.latest(rig)
        number = 0 if latest is None else latest[0].epoch + 1
        row = (*_key(rig), number, stamp, json.dumps(epoch.nominal.matrix.tolist()), _reference_json(epoch.reference))
        with self._translated_errors():
            self._db.execute("INSERT INTO epoch VALUES (?,?,?,?,?,?,?)", row)
        return replace(rig, epoch=number)

    def latest(self, rig: MonitoredRig) -> tuple[MonitoredRig, Epoch] | None:
        """The rig in its newest epoch, and that epoch. None if there are no records of the rig."""
        with self._translated_errors():
            row = self._db.execute(
                f"SELECT epoch, nominal, reference FROM epoch WHERE {OF_RIG} ORDER BY epoch DESC LIMIT 1", _key(rig)
            ).fetchone()
            if row is None:
                return None
            state = row[2] and json.loads(row[2])
            reference = Reference(np.array(state["delta"]), np.array(state["covariance"])) if state else None
            return replace(rig, epoch=row[0]), Epoch(Pose.from_matrix(np.array(json.loads(row[1]))), reference)

    def newest(self, rig: MonitoredRig, count: int) -> tuple[list[Drift], Array, Onset | None]:
        """The last estimates of this epoch in the order of time, the learned baseline (6,), and the onset of the drift.

        The onset is none if there is no drift.
        """
        with self._translated_errors():
            found = self._db.execute(
                f"SELECT stamp, estimate, verdict FROM record WHERE {OF_RIG} AND epoch = ?"
                " ORDER BY stamp DESC, id DESC LIMIT ?",
                (*_key(rig), rig.epoch, count),
            ).fetchall()
            if not found:
                return [], np.zeros(6), None
            drifts = [_drift(stamp, json.loads(estimate)) for stamp, estimate, _ in reversed(found)]
            last = _verdict_json(found[0][2])
            onset = None if last["course"] is None else Onset(Course(last["course"]), int(last["since"]))
            return drifts, np.array(last["baseline"]), onset

    def rows(self, vehicle: str | None = None, since: int = 0) -> Iterator[dict[str, Any]]:
        """Records of one vehicle or of all from a stamp (ns) on, in the order of time."""
        with self._translated_errors():
            found = self._db.execute(
                "SELECT vehicle, camera, lidar, epoch, stamp, estimate, verdict FROM record"
                " WHERE (?1 IS NULL OR vehicle = ?1) AND stamp >= ?2 ORDER BY stamp, id",
                (vehicle, since),
            )
            names = [column[0] for column in found.description]
            for row in found:
                record = dict(zip(names, row, strict=True))
                parsed = {"estimate": json.loads(record["estimate"]), "verdict": _verdict_json(record["verdict"])}
                yield record | parsed

    def forget(self, rig: MonitoredRig, before: int) -> int:
        """Remove the records of a rig before a stamp (ns). Returns their number."""
        with self._translated_errors():
            return self._db.execute(f"DELETE FROM record WHERE {OF_RIG} AND stamp < ?", (*_key(rig), before)).rowcount

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _refuse_others(self) -> None:
        if self._db.execute("PRAGMA application_id").fetchone()[0] != OURS:
            raise InputError(f"{self.file} is a database of something else, not a history of drifts", "history")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, KeyError, TypeError, ValueError) as error:  # the last three: damaged JSON
            raise InputError(f"the history {self.file} cannot be used: {one_line(error)}", "history") from error


def _read_only(file: Path) -> str:
    """URI of a database to read. Without a log and in a read-only folder, SQLite needs it to be `immutable`."""
    log = file.with_name(f"{file.name}-wal")
    alone = not os.access(file.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def _key(rig: MonitoredRig) -> tuple[str, str, str]:
    return rig.vehicle, rig.camera, rig.lidar


def _verdict_json(text: str) -> dict[str, Any]:
    """A recorded verdict. The courses of earlier versions get their present names."""
    verdict: dict[str, Any] = json.loads(text)
    return verdict | {"course": OLD_COURSES.get(verdict["course"], verdict["course"])}


def _drift_json(drift: Drift) -> str:
    numbers = {"information": drift.information, "gain": drift.gain, "frames": drift.frames}
    return json.dumps({"delta": drift.delta.tolist(), "covariance": drift.covariance.tolist(), **numbers})


def _drift(stamp: int, record: dict[str, Any]) -> Drift:
    arrays = np.array(record["delta"]), np.array(record["covariance"])
    return Drift(stamp, *arrays, record["information"], record["gain"], record["frames"])


def _reference_json(reference: Reference | None) -> str | None:
    if reference is None:
        return None
    return json.dumps({"delta": reference.delta.tolist(), "covariance": reference.covariance.tolist()})

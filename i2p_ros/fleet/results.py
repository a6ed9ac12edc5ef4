# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The output of a fleet: a file for each finished task, and tables that are made of these files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from i2p_ros.core.errors import InputError
from i2p_ros.fleet import tables
from i2p_ros.fleet.storage import Storage
from i2p_ros.fleet.tables import Row
from i2p_ros.fleet.tasks import FleetTask, TaskOutcome, Verb

PARTS, FAILURES, PICTURES, RUNS = "parts", "quarantine", "pictures", "runs"  # folders of an output
RESULT_TABLES = ("verdicts", "windows", "pairs", "calibrations", "quarantine")
WITH_URI = ("verdicts", "calibrations")  # tables with a row for each copy of a recording


@dataclass(frozen=True, slots=True)
class RecordingPlace:
    """Where a recording lies, and of which vehicle it is."""

    recording_id: str
    uri: str
    vehicle: str


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What the tables have of one verb: the recordings of its last index, by the settings of its last run."""

    verb: Verb
    settings_id: str
    places: tuple[RecordingPlace, ...]  # in the order of the tables
    unreadable: tuple[Row, ...] = ()  # rows of quarantine for recordings without a hash

    def file(self, recording_id: str) -> str:
        """Name of the file of a result."""
        return f"{self.verb}-{recording_id}-{self.settings_id}.json"

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain values."""
        places = [[place.recording_id, place.uri, place.vehicle] for place in self.places]
        return {"verb": self.verb, "settings_id": self.settings_id, "places": places, "unreadable": [*self.unreadable]}

    @staticmethod
    def of_json(content: dict[str, Any]) -> RunManifest:
        """The manifest of plain values."""
        places = tuple(RecordingPlace(*place) for place in content["places"])
        return RunManifest(content["verb"], content["settings_id"], places, tuple(content["unreadable"]))


class Results:
    """The files of an output."""

    def __init__(self, out: Storage) -> None:
        self.out = out

    def finished(self, run: RunManifest) -> set[str]:
        """Hashes of the recordings whose task is finished."""
        return self._hashes(run, PARTS)

    def quarantined(self, run: RunManifest) -> set[str]:
        """Hashes of the recordings whose task has failed."""
        return self._hashes(run, FAILURES)

    def add(self, run: RunManifest, task: FleetTask, outcome: TaskOutcome) -> None:
        """Write the result of a task, its pictures first: a result whose file exists is whole."""
        for name, content in outcome.pictures.items():
            self.out.write(f"{PICTURES}/{task.recording_id}/{name}", content)
        part = {"rows": outcome.rows, "stale": outcome.stale, "seconds": outcome.seconds}
        self.out.write(f"{PARTS}/{run.file(task.recording_id)}", _json(part))
        self.out.remove(f"{FAILURES}/{run.file(task.recording_id)}")

    def add_failure(self, run: RunManifest, task: FleetTask, outcome: TaskOutcome, attempts: int) -> None:
        """Write why a task has failed."""
        failure = {"code": outcome.code, "reason": " ".join(outcome.reason.split()), "attempts": attempts}
        self.out.write(f"{FAILURES}/{run.file(task.recording_id)}", _json(failure | {"time": time.time_ns()}))

    def is_assembled(self, run: RunManifest) -> bool:
        """Whether the tables have all results of this run."""
        written = self.out.read(f"{RUNS}/{run.verb}.json")
        return written == self._mark(run) and {f"{name}.parquet" for name in RESULT_TABLES} <= self.out.names("")

    def assemble(self, run: RunManifest) -> dict[str, int]:
        """Write the tables of all verbs. The result is the number of rows by table."""
        runs = sorted([*self._other_runs(run.verb), run], key=lambda one: one.verb)
        parts: dict[str, list[Any]] = {name: [] for name in RESULT_TABLES}
        for name, rows in (found for one in runs for found in self._contents(one)):
            if rows:
                parts[name].append(tables.table(name, rows))
        counts = {}
        for name, some in parts.items():
            content, counts[name] = _sorted_table(name, some)
            self.out.write(f"{name}.parquet", content)
        self.out.write(f"{RUNS}/{run.verb}.json", self._mark(run))
        return counts

    def _mark(self, run: RunManifest) -> bytes:
        """A manifest with the results that there are."""
        places = {place.recording_id for place in run.places}
        there = {"finished": self.finished(run) & places, "quarantined": self.quarantined(run) & places}
        return _json(run.to_json() | {name: sorted(hashes) for name, hashes in there.items()})

    def _other_runs(self, verb: Verb) -> Iterator[RunManifest]:
        for name in sorted(self.out.names(RUNS) - {f"{verb}.json"}):
            yield RunManifest.of_json(self._read(f"{RUNS}/{name}"))

    def _contents(self, run: RunManifest) -> Iterator[tuple[str, list[Row]]]:
        """Rows of a run by table: those of finished tasks; and in quarantine failed tasks, changed copies of finished
        ones, and recordings without a hash."""
        yield "quarantine", list(run.unreadable)
        finished, quarantined = self.finished(run), self.quarantined(run)
        for recording_id, copies in groupby(run.places, lambda place: place.recording_id):
            if recording_id in finished:
                yield from _finished(self._read(f"{PARTS}/{run.file(recording_id)}"), run, list(copies))
            elif recording_id in quarantined:
                failure = self._read(f"{FAILURES}/{run.file(recording_id)}")
                yield "quarantine", [_refused(place, run) | failure for place in copies]

    def _hashes(self, run: RunManifest, folder: str) -> set[str]:
        names = (name.removesuffix(".json").split("-") for name in self.out.names(folder) if name.endswith(".json"))
        mine = (name for name in names if len(name) == 3)
        return {recording for verb, recording, settings in mine if (verb, settings) == (run.verb, run.settings_id)}

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.out.read(name) or b""))
        except ValueError as error:
            raise InputError(f"{self.out.uri}/{name} is damaged: remove it, and it is made again", "output") from error


def _finished(
    part: dict[str, Any], run: RunManifest, copies: Sequence[RecordingPlace]
) -> Iterator[tuple[str, list[Row]]]:
    """Rows of a finished task by table. Each vehicle has those of its first copy, and WITH_URI of each copy."""
    before = None
    for place in copies:
        if place.uri in part["stale"]:
            yield "quarantine", [_stale(place, run)]
            continue
        for name, rows in part["rows"].items():
            if name in WITH_URI or place.vehicle != before:
                yield name, [_placed(row, name, place, run, part) for row in rows]
        before = place.vehicle


def _placed(row: Row, name: str, place: RecordingPlace, run: RunManifest, part: dict[str, Any]) -> Row:
    """A row with the columns that do not depend on the content of the recording."""
    whole = row | {"recording_id": place.recording_id, "vehicle": place.vehicle}
    if name in WITH_URI:
        whole["uri"] = place.uri
    if name == "verdicts":
        whole |= {"task": run.verb, "seconds": part["seconds"], "settings_id": run.settings_id}
    if row.get("picture"):
        whole["picture"] = f"{PICTURES}/{place.recording_id}/{row['picture']}"
    return whole


def _refused(place: RecordingPlace, run: RunManifest) -> Row:
    """The columns of quarantine that do not depend on the failure."""
    return {"recording_id": place.recording_id, "uri": place.uri, "vehicle": place.vehicle, "task": run.verb}


def _stale(place: RecordingPlace, run: RunManifest) -> Row:
    reason = f"{place.uri} has changed since the index was made: run `i2p index` again"
    return _refused(place, run) | {"code": "index.stale", "reason": reason, "attempts": 1, "time": None}


def _sorted_table(name: str, parts: Sequence[Any]) -> tuple[bytes, int]:
    """A Parquet file of some tables, sorted by recording, then by URI, task and time; and the number of rows."""
    whole = tables.concatenated(name, parts)
    keys = [key for key in ("recording_id", "uri", "task", "vehicle", "camera", "lidar", "start", "time")
            if key in whole.schema.names]  # fmt: skip
    whole = whole.sort_by([(key, "ascending") for key in keys])
    return tables.parquet(whole), whole.num_rows


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, allow_nan=False, sort_keys=True) + "\n").encode()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The index of a lake of recordings: one row for each, made without decoding their images."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from i2p_ros.core.config import MonitorSettings, Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.progress import Progress
from i2p_ros.fleet import tables
from i2p_ros.fleet.recordings import Recording, canonical, content_hash, local_copy, recordings
from i2p_ros.fleet.storage import Storage, absolute
from i2p_ros.fleet.tables import Row
from i2p_ros.inspection import inspect

SETTINGS = "i2p.settings"  # text of an index: the hash of the settings by which its recordings were inspected
INSPECTED_BY = ("topics", "pairing", "node", "monitor")  # settings that an inspection depends on


class MadeIndex(NamedTuple):
    """Rows of recordings, and the number of recordings that were not reached before Ctrl-C."""

    rows: list[Row]
    left: int


def made_index(root: str, settings: Settings, before: list[Row], progress: Progress | None = None) -> MadeIndex:
    """Rows of the recordings below a root, by URI. Rows of `before` with the same URI and hash are taken over.

    A recording that cannot be read has the verdict unusable and the error as a finding. Ctrl-C ends the work; rows of
    `before` that were not reached stay. Raises InputError if the root holds no recording.
    """
    root = canonical(absolute(root))
    known = {(row["uri"], row["recording_id"]): row for row in before if row["recording_id"]}
    found, rows = recordings(root), list[Row]()
    try:
        for number, recording in enumerate(found, 1):
            rows.append(_row(recording, vehicle_of(recording.uri, root, settings), settings, known))
            if progress:
                progress(number, len(found))
    except KeyboardInterrupt:
        reached = {row["uri"] for row in rows}
        kept = [row for row in before if row["uri"] not in reached]
        return MadeIndex(sorted(rows + kept, key=lambda row: str(row["uri"])), len(found) - len(rows))
    return MadeIndex(rows, 0)


def write_index(target: str, rows: list[Row], settings: Settings) -> None:
    """Write an index as a Parquet file, which appears whole or not at all."""
    folder, name = _split(target)
    content = tables.with_texts(tables.table("index", rows), {SETTINGS: inspection_id(settings)})
    Storage(folder).write(name, tables.parquet(content))


def read_index(target: str, settings: Settings | None = None) -> list[Row]:
    """Rows of an index file. With `settings`: none if it was made by other settings, or does not exist.

    Raises InputError `index` for a file that is missing or no index.
    """
    folder, name = _split(target)
    content = Storage(folder).read(name)
    if content is None:
        if settings is not None:
            return []
        raise InputError(f"{target} does not exist; `i2p index DIR --out {name}` writes it", "index")
    rows, texts = tables.read_table(content, "index", target)
    return rows if settings is None or texts.get(SETTINGS) == inspection_id(settings) else []


def inspection_id(settings: Settings) -> str:
    """Hash of the settings by which recordings are inspected."""
    content = json.dumps(settings.model_dump(include=set(INSPECTED_BY)), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def vehicle_of(uri: str, root: str, settings: Settings) -> str:
    """The vehicle of the settings if one is set, else the folder below the root that the recording lies in."""
    if settings.monitor.vehicle != MonitorSettings().vehicle:
        return settings.monitor.vehicle
    below = PurePosixPath(uri.removeprefix(root).lstrip("/")).parts
    return below[0] if len(below) > 1 else PurePosixPath(root).name or settings.monitor.vehicle


def _row(recording: Recording, vehicle: str, settings: Settings, known: dict[tuple[str, str], Row]) -> Row:
    """The row of a recording: the known one if its content is unchanged, else a new one."""
    begun = time.perf_counter()
    row: Row = {
        "uri": recording.uri, "files": list(recording.files), "bytes": sum(recording.sizes), "recording_id": "",
        "vehicle": vehicle,
    }  # fmt: skip
    try:
        row["recording_id"] = content_hash(recording)
        old = known.get((recording.uri, row["recording_id"]))
        if old is not None:
            return old | {"vehicle": vehicle}
        with local_copy(recording, Path(settings.fleet.cache_dir).expanduser()) as path:
            found = _without_path(inspect(path, settings).to_json(), str(path), recording.uri)
    except InputError as error:
        found = {"verdict": "unusable", "findings": [_error(error)]}
    return row | _columns(found) | {"seconds": time.perf_counter() - begun}


def _columns(found: dict[str, Any]) -> Row:
    """Columns of an index from an inspection in its JSON form."""
    camera, lidar = found.get("camera") or {}, found.get("lidar") or {}
    motion = found.get("motion")
    return {
        "camera": camera.get("frame", ""), "lidar": lidar.get("frame", ""), "lens": camera.get("lens", ""),
        "motion": motion if isinstance(motion, str) or motion is None else json.dumps(motion, sort_keys=True),
        **{name: found.get(name) for name in ("start", "end", "kind", "overlap", "verdict")},
        "topics": [_only(topic, tables.TOPIC) for topic in found.get("topics", [])],
        "findings": [_only(finding, tables.FINDING) for finding in found.get("findings", [])],
    }  # fmt: skip


def _only(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {name: values.get(name) for name in names}


def _error(error: InputError) -> dict[str, str]:
    return {"level": "error", "code": error.reason, "text": str(error), "cure": ""}


def _without_path(found: dict[str, Any], path: str, uri: str) -> dict[str, Any]:
    """An inspection with the URI of the recording in place of the path of its local copy."""
    for finding in found["findings"]:
        finding["text"] = finding["text"].replace(path, uri)
    return found


def _split(target: str) -> tuple[str, str]:
    folder, _, name = absolute(target).rpartition("/")
    return folder or "/", name

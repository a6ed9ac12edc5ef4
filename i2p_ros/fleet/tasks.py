# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of a fleet and their outcomes, as they travel between processes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.fleet.tables import Row

Verb = str  # a key of jobs.JOBS
NO_MATTER: Any = {  # settings that no result depends on
    "training": True, "synthetic": True, "replay": True, "tracking": True, "engine_cache_dir": True, "threads": True,
    "branches": True, "fleet": {"threads", "cache_dir"}, "monitor": {"vehicle"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FleetTask:
    """The work on one recording. `uris` are where its content lies: copies of a recording are one task."""

    verb: Verb
    recording_id: str
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one task: time, s, and resident memory of its process, bytes."""

    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What a worker is set up for: a verb and plain settings."""

    verb: Verb
    settings: dict[str, Any]
    limits: Limits


class Ending(str, Enum):
    """How a task ended."""

    DONE = "done"
    REFUSED = "refused"  # the recording cannot be used: another try would end alike
    FAILED = "failed"  # a limit, a crash or an error of this package
    KILLED = "killed"  # the worker was killed from outside
    FATAL = "fatal"  # no task can be done


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """The end of a task. `rows` are those of each table without the columns that the index has, `pictures` files by
    name. `stale` are the URIs that have changed since the index was made. `code` and `reason` say what went wrong."""

    ending: Ending
    code: str = ""
    reason: str = ""
    rows: dict[str, list[Row]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    seconds: float = 0.0


def settings_id(verb: Verb, settings: Settings) -> str:
    """Hash of a verb's settings and of the model that it uses: 16 hex digits. Raises ModelError as `localizer.load`."""
    content = [verb, settings.model_dump(exclude=NO_MATTER), _model_of(verb, settings)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def check_settings(settings: Settings) -> None:
    """Raises InputError for settings that many recordings cannot share."""
    if settings.monitor.history:
        raise InputError("monitor.history is for one recording after the other: leave it empty", "fleet.settings")


def _model_of(verb: Verb, settings: Settings) -> Any:
    """The manifest entry of the model in plain values, with the hash of its weights; empty if no model is used."""
    if verb == "monitor" and not settings.monitor.network_pairs:
        return ""
    from i2p_ros.runtime.manifest import find_model

    return find_model(settings.model)[0].model_dump(mode="json")

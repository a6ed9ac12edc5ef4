# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the tables by vehicle, as the page's JSON: times in us, drifts in cm and deg."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from i2p_ros.core.drifts import AXES, INTERVAL, SCALES
from i2p_ros.core.types import Status
from i2p_ros.fleet.page.states import RigState, Row, moved_axes, rig_states
from i2p_ros.fleet.page.tables import PageTables

STRIP = 12  # newest verdicts in the table of vehicles
UNKNOWN = "(unknown vehicle)"  # of a refused recording that no table assigns to a vehicle


@dataclass(slots=True)
class VehicleRows:
    """All rows of one vehicle, in the order of time."""

    name: str
    verdicts: list[Row] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)
    pairs: list[Row] = field(default_factory=list)
    refused: list[Row] = field(default_factory=list)
    index: list[Row] = field(default_factory=list)

    @property
    def states(self) -> list[RigState]:
        """The state of each rig, the worst first."""
        return rig_states(self.verdicts)

    @property
    def recordings(self) -> list[str]:
        """Recordings of all tables: the id, or the URI of what has none."""
        rows = (*self.index, *self.verdicts, *self.windows, *self.pairs, *self.refused)
        return list(dict.fromkeys(_recording(row) for row in rows))


def by_vehicle(tables: PageTables) -> list[VehicleRows]:
    """The rows of each vehicle, by name. A refused recording without a vehicle has that of another row about it."""
    found: dict[str, VehicleRows] = {}
    vehicle_of: dict[str, str] = {}
    for name in ("index", "verdicts", "windows", "pairs"):
        for row in _sorted(getattr(tables, name).to_pylist()):
            vehicle = row["vehicle"] or UNKNOWN
            getattr(found.setdefault(vehicle, VehicleRows(vehicle)), name).append(row)
            for key in (row["recording_id"], row.get("uri")):
                if key:
                    vehicle_of.setdefault(key, vehicle)
    for row in _sorted(tables.quarantine.to_pylist()):
        known = (row["vehicle"], *(vehicle_of.get(row[key] or "") for key in ("uri", "recording_id")))
        vehicle = next(filter(None, known), UNKNOWN)
        found.setdefault(vehicle, VehicleRows(vehicle)).refused.append(row)
    return [found[name] for name in sorted(found)]


def summary(vehicle: VehicleRows) -> dict[str, Any]:
    """What the table of vehicles shows of one: short names, since there are thousands."""
    states = vehicle.states
    times = [_us(row.get("end") or row.get("time")) for row in (*vehicle.verdicts, *vehicle.windows, *vehicle.pairs)]
    worst = states[0] if states else None
    return {
        "name": vehicle.name,
        "level": worst.level if worst else "",
        "says": _said(vehicle, states),
        "shift": round(100 * max((state.shift for state in states), default=0.0), 2),
        "last": max((time for time in times if time is not None), default=None),
        "recordings": len(vehicle.recordings),
        "refused": len(vehicle.refused),
        "tasks": sorted({row["task"] for row in (*vehicle.verdicts, *vehicle.refused) if row["task"]}),
        "strip": [row["level"] or "" for row in vehicle.verdicts[-STRIP:]],
    }


def details(vehicle: VehicleRows) -> dict[str, Any]:
    """All that the page shows of one vehicle. Lists refer to rigs and recordings by their places."""
    rows = (*vehicle.verdicts, *vehicle.windows, *vehicle.pairs)
    rigs = sorted({_rig(row) for row in rows})
    recordings = {recording: i for i, recording in enumerate(vehicle.recordings)}
    places: dict[str, Any] = {"rig": {rig: i for i, rig in enumerate(rigs)}, "recording": recordings}
    verdicts = [_verdict(row, places) for row in vehicle.verdicts]
    place_of = {id(row): i for i, row in enumerate(vehicle.verdicts)}
    return {
        "name": vehicle.name,
        "rigs": [list(rig) for rig in rigs],
        "recordings": _recordings(vehicle),
        "states": [
            {"rig": places["rig"][state.camera, state.lidar], "task": state.task, "level": state.level,
             "says": state.sentence, "verdict": place_of[id(state.verdict)], "newest": place_of[id(state.newest)],
             "moved": _places(state.moved)}
            for state in vehicle.states
        ],
        "verdicts": verdicts,
        "windows": [_window(row, places) for row in vehicle.windows],
        "pairs": list(_pair_counts(vehicle.pairs, places)),
        "refused": [refusal(row) for row in vehicle.refused],
    }  # fmt: skip


def refusal(row: Row) -> dict[str, Any]:
    """A row of the quarantine table."""
    texts = {name: row[name] or "" for name in ("uri", "task", "code", "reason")}
    return texts | {"recording": row["recording_id"] or "", "attempts": row["attempts"], "time": _us(row["time"])}


def _said(vehicle: VehicleRows, states: Sequence[RigState]) -> str:
    if not states and vehicle.refused:
        return f"no verdict; refused: {vehicle.refused[-1]['reason'] or 'no reason given'}"
    if not states:
        return f"{len(vehicle.pairs)} pairs localized, no verdict" if vehicle.pairs else "no verdict yet"
    worst = [state for state in states if state.level == states[0].level]
    several = len({(state.camera, state.lidar) for state in states}) > 1
    lines = [f"{state.camera}: {state.sentence}" if several else state.sentence for state in worst]
    return " | ".join(dict.fromkeys(line for line in lines if line))


def _recordings(vehicle: VehicleRows) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {name: {"id": "", "uri": ""} for name in vehicle.recordings}
    for row in (*vehicle.index, *vehicle.verdicts, *vehicle.windows, *vehicle.pairs, *vehicle.refused):
        entry = found[_recording(row)]
        entry["id"] = entry["id"] or row["recording_id"] or ""
        entry["uri"] = entry["uri"] or row.get("uri") or ""
        if "findings" in row:
            entry["check"] = row["verdict"] or ""
            entry["findings"] = [
                [finding["level"] or "", finding["text"] or "", finding["cure"] or ""]
                for finding in row["findings"] or [] if finding
            ]  # fmt: skip
    return list(found.values())


def _verdict(row: Row, places: dict[str, Any]) -> dict[str, Any]:
    return _placed(row, places) | {
        "task": row["task"] or "",
        "start": _us(row["start"]),
        "end": _us(row["end"]),
        "level": row["level"] or "",
        "text": row["text"] or "",
        "drift": _axes(row, ""),
        "half": _axes(row, "half_"),
        "detectable": _axes(row, "detectable_"),
        "moved": _places(moved_axes(row)),
        "pairs": row["pairs"],
        "windows": row["windows"],
    }


def _window(row: Row, places: dict[str, Any]) -> dict[str, Any]:
    return _placed(row, places) | {
        "time": _us(row["time"]),
        "frames": row["frames"],
        "level": row["level"] or "",
        "text": row["text"] or "",
        "drift": _axes(row, ""),
        "half": _axes(row, "std_", INTERVAL),
        "picture": row["picture"] or "",
    }


def _placed(row: Row, places: dict[str, Any]) -> dict[str, Any]:
    return {"rig": places["rig"][_rig(row)], "recording": places["recording"][_recording(row)]}


def _pair_counts(rows: Sequence[Row], places: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Pairs of each recording and rig by status, with medians of what is known."""
    groups: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        placed = _placed(row, places)
        groups[placed["recording"], placed["rig"]].append(row)
    for (recording, rig), group in groups.items():
        located = [row for row in group if row["status"] == Status.OK.value]
        yield {
            "recording": recording,
            "rig": rig,
            "status": dict(Counter(row["status"] or "" for row in group).most_common()),
            "time": _us(group[0]["time"]),
            **{name: _median([row[name] for row in located]) for name in ("confidence", "error_m", "error_deg")},
        }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return round(median(known), 4) if known else None


def _recording(row: Row) -> str:
    return row["recording_id"] or row.get("uri") or ""


def _rig(row: Row) -> tuple[str, str]:
    return row["camera"] or "", row["lidar"] or ""


def _axes(row: Row, prefix: str, factor: float = 1.0) -> list[float | None]:
    values = (row[f"{prefix}{axis}"] for axis in AXES)
    return [_rounded(value, factor * scale) for value, scale in zip(values, SCALES, strict=True)]


def _places(axes: Sequence[str]) -> list[int]:
    return [AXES.index(axis) for axis in axes]


def _rounded(value: float | None, scale: float) -> float | None:
    return round(value * scale, 4) if value is not None and math.isfinite(value) else None


def _us(time: Any) -> int | None:
    """Microseconds since 1970 of a time that pyarrow gives in ns."""
    return None if time is None else time // 1000


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.get("end") or row.get("time") or row.get("start") or 0)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p check`: what is in a recording, and what works with it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from i2p_ros.cli.parts import (
    NONE,
    Files,
    ImageTopic,
    InfoTopic,
    JsonFile,
    Overrides,
    PointsTopic,
    check_targets,
    output,
    progress,
    recording_settings,
    write_json,
)

if TYPE_CHECKING:
    from i2p_ros.inspection import Inspection

EXIT_CODES = {"usable": 0, "limited": 6, "unusable": 1}
COLOURS = {
    "usable": "green", "limited": "yellow", "unusable": "bold red",
    "yes": "green", "partly": "yellow", "no": "bold red",
    "note": "cyan", "warning": "yellow", "error": "bold red",
}  # fmt: skip
MOST_TOPICS = 20  # that the table lists
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def check(
    recordings: Annotated[list[Path], typer.Argument(help="Bags, KITTI folders, or other recordings.")],
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Tell what recordings hold, which of localize, monitor and calibrate work with them, and what cures the rest.

    No network is loaded, and of a bag only the indexes and some messages are read. The exit code is that of the worst
    recording: 0 usable, 6 limited (a task works partly or not at all), 1 unusable (no task works). docs/check.md lists
    all findings.
    """
    from i2p_ros.inspection import inspect

    check_targets(json_file)
    settings = recording_settings(files, overrides, image, points, camera_info)
    found = []
    for recording in recordings:
        with progress(f"reading {recording.name}"):
            found.append(inspect(recording, settings))
        if json_file != Path("-"):
            output.print(_table(found[-1]))
    write_json([inspection.to_json() for inspection in found], json_file)
    codes = {EXIT_CODES[inspection.verdict] for inspection in found}
    raise typer.Exit(next(code for code in (1, 6, 0) if code in codes))


def _table(inspection: Inspection) -> Table:
    """What there is, which tasks work, and the findings with their cures."""
    title = f"{escape(inspection.recording)}: {_coloured(inspection.verdict, inspection.verdict.upper())}"
    table = Table(title=title, title_justify="left", show_header=False)
    for name, text in _facts(inspection):
        table.add_row(name, escape(text))
    table.add_section()
    for task, ability in inspection.abilities.items():
        table.add_row(task, f"{_coloured(ability.works)}{escape(f': {ability.why}' if ability.why else '')}")
    table.add_section()
    for finding in inspection.findings:
        text = f"{escape(finding.text)} [dim]({finding.code})[/]\nCure: {escape(finding.cure)}"
        table.add_row(_coloured(finding.level), text)
    return table


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    """Rows of the table about the content of a recording."""
    rows = [("recording", _recording(inspection))]
    if (camera := inspection.camera) is not None:
        size = f"{camera.width}x{camera.height}" if camera.width else "unknown size"
        lens = ", ".join(filter(None, (camera.lens, camera.matrix)))
        rows.append(("camera", f"{camera.topic}, {size}, frame {camera.frame!r}" + (f", {lens}" if lens else "")))
    if (lidar := inspection.lidar) is not None:
        fields = f", fields {' '.join(lidar.fields)}" if lidar.fields else ""
        sweep = (
            "" if lidar.sweep_s is None else f", times in {lidar.time_unit or '?'} over {1e3 * lidar.sweep_s:.0f} ms"
        )
        rows.append(("lidar", f"{lidar.topic}, {lidar.points} points, frame {lidar.frame!r}{fields}{sweep}"))
    gap = "" if inspection.sensor_gap_ms is None else f", images {inspection.sensor_gap_ms:+.1f} ms from clouds"
    rows.append(("pairs", f"{inspection.pairs}{gap}"))
    rows.append(("transform", inspection.transform or "none"))
    if inspection.motion:
        rows.append(("motion", inspection.motion))
    if inspection.overlap is not None:
        rows.append(("overlap", f"{inspection.overlap:.1%} of the points are in the image"))
    return rows + [("topic", _topic(topic)) for topic in inspection.topics[:MOST_TOPICS]] + _more(inspection)


def _more(inspection: Inspection) -> list[tuple[str, str]]:
    left = len(inspection.topics) - MOST_TOPICS
    return [("", f"and {left} more topics")] if left > 0 else []


def _recording(inspection: Inspection) -> str:
    begin = ""
    if inspection.start is not None:
        when = datetime.fromtimestamp(inspection.start // 10**9, timezone.utc)
        begin = f", {inspection.duration_s:.1f} s from {when:%Y-%m-%d %H:%M:%S} UTC"
    return f"{inspection.kind or 'unknown kind'}, {_bytes(inspection.bytes)}{begin}"


def _topic(topic: Any) -> str:
    rate = "" if topic.rate_hz is None else f", {topic.rate_hz:.3g} Hz"
    gap = "" if topic.largest_gap_s is None else f", longest gap {topic.largest_gap_s:.2g} s"
    missing = f", about {topic.missing} missing" if topic.missing else ""
    return f"{topic.name} ({topic.type.rpartition('/')[2]}): {topic.count}{rate}{gap}{missing}"


def _bytes(count: int) -> str:
    unit, size = next(((unit, size) for unit, size in UNITS if count >= size), ("B", 1.0))
    return f"{count / size:.3g} {unit}"


def _coloured(word: str, text: str = "") -> str:
    return f"[{COLOURS[word]}]{text or word}[/]"

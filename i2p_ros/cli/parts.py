# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the commands: options, the console, JSON and the progress bar."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from i2p_ros.core.config import Settings, load_settings
from i2p_ros.sources.kinds import KINDS, nouns

console = Console(stderr=True)

Files = Annotated[list[Path], typer.Option("--settings", help="YAML file of settings; may be repeated.")]
Overrides = Annotated[list[str], typer.Option("--set", help="One setting, such as pnp.iterations=2000.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the numbers to this file; - prints them.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Root = Annotated[Path | None, typer.Option(help="Folder or bag to read.")]
Cameras = Annotated[str, typer.Option(help=f"Cameras of a {nouns('cameras')}, separated by commas; empty: both.")]
SourceName = Annotated[str, typer.Option(help=f"{', '.join(KINDS)}, or auto to look at the root.")]
Model = Annotated[str, typer.Argument(help="Name of a model ('i2p models'), or a folder that 'i2p train' wrote.")]
Drives = Annotated[str, typer.Option(help=f"Drives of a {nouns('drives')}, separated by commas; empty: all.")]
ImageTopic = Annotated[str, typer.Option("--image", help="Image topic of a bag; empty: the most likely camera.")]
PointsTopic = Annotated[str, typer.Option("--points", help="Cloud topic of a bag; empty: the most likely lidar.")]
InfoTopic = Annotated[str, typer.Option("--camera-info", help="Calibration topic of a bag; empty: that of the images.")]
NONE: list[Any] = []
LOST = 3  # exit code of `i2p evaluate` and `i2p replay` when a part of the recording could not be read


def tell_error(error: Exception) -> None:
    """Print an error as one line on stderr."""
    console.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)


def listed(text: str) -> list[str] | None:
    """Parts of a text between commas; none if it has none."""
    return [part.strip() for part in text.split(",") if part.strip()] or None


def recording_settings(
    files: Sequence[Path], overrides: Sequence[str], image: str, points: str, camera_info: str
) -> Settings:
    """Settings of a command that reads recordings: of the files, then the overrides, then the topics that are given."""
    topics = {"image": image, "points": points, "camera_info": camera_info}
    return load_settings(files, [*overrides, *(f"topics.{name}={topic}" for name, topic in topics.items() if topic)])


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Context in which SIGTERM, which schedulers send, raises KeyboardInterrupt as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_targets(*files: Path | None) -> None:
    """InputError for files that cannot be written, before the work and not after it."""
    from i2p_ros.evaluation.files import check_target

    for file in files:
        if file and file != Path("-"):
            check_target(file)


def write_json(numbers: dict[str, Any] | list[Any], file: Path | None) -> None:
    """Write JSON to a file; - is the standard output, and without a file nothing is written."""
    from i2p_ros.evaluation import files

    if file == Path("-"):
        typer.echo(json.dumps(numbers, indent=2, allow_nan=False))
    elif file:
        files.write_json(file, numbers)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Any]:
    """Context with a bar on stderr. Its value is a function of the number done, of losses to show, and
    of the number in all, if that becomes known later."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console)
    task = bar.add_task(what, total=total)

    def step(done: int, losses: dict[str, float] | None = None, total: int | None = total) -> None:
        bar.start()  # not before: an earlier error is then one line without a bar
        text = " ".join(f"{k} {v:.2f}" for k, v in (losses or {}).items())
        bar.update(task, completed=done, total=total, description=f"{what} {text}".strip())

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()


def show(numbers: dict[str, Any], json_file: Path | None) -> None:
    """Print a short table, and write all numbers to the JSON file."""
    write_json(numbers, json_file)
    if json_file == Path("-"):
        return
    table = Table("", "value")
    for key, value in {**numbers, **numbers.get("spread", {})}.items():
        if isinstance(value, dict) and ("median" in value or "mean" in value):
            parts = (f"{k} {v:.3g}" for k, v in value.items() if v is not None)
            table.add_row(key, ", ".join(parts) or "none")
        elif isinstance(value, int | float | str):
            table.add_row(key, f"{value:.3g}" if isinstance(value, float) else str(value))
    console.print(table)


def tell_notes(notes: Sequence[str]) -> None:
    """Print on stderr what a source has to say of how it reads a recording."""
    for note in notes:
        console.print(f"[bold]note:[/] {escape(note)}", highlight=False, soft_wrap=True)


def tell_lost(lost: dict[str, int]) -> None:
    """Print what could not be read of a recording, by reason, and exit with code 3 if there is anything."""
    if lost:
        reasons = ", ".join(f"{count} {reason}" for reason, count in lost.items())
        console.print(f"a part of the recording could not be read and is left out: {reasons}", soft_wrap=True)
        raise typer.Exit(LOST)

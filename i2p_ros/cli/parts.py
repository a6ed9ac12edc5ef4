# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the commands: options, the console, JSON and the progress bar."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from i2p_ros.cli import Interrupted, raising
from i2p_ros.cli.arguments import completing
from i2p_ros.core.config import Settings, load_settings, setting_names
from i2p_ros.core.errors import InputError
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.protocols import PROTOCOLS, ProtocolName
from i2p_ros.sources.kinds import KINDS, nouns

if TYPE_CHECKING:
    from i2p_ros.localizer import Localizer

console = Console(stderr=True)  # notes, errors and progress
output = Console()  # what was asked for


def _json_target(file: Path | None) -> Path | None:
    """The file of `--json`. Raises InputError for one that exists and is no JSON: it is probably another argument."""
    if file and file.is_file() and file.suffix.lower() != ".json":
        raise InputError(f"--json would overwrite {file}: put --json last to print, or name a .json file", "output")
    return file


def _setting_keys() -> Iterator[str]:
    return (f"{name}=" for name in setting_names())


def _model_names() -> Iterable[str]:
    from i2p_ros.runtime.manifest import models_folder, read_manifest

    return read_manifest(models_folder())


Files = Annotated[
    list[Path], typer.Option("--settings", metavar="FILE", help="YAML file of settings; may be repeated.")
]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        autocompletion=completing(_setting_keys),
        help="One setting, such as pnp.iterations=2000; may be repeated.",
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="[FILE]",
        callback=_json_target,
        help="Print the numbers as JSON, and nothing else. With FILE: write them there, beside the usual output.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Root = Annotated[Path | None, typer.Option(help="Folder or bag to read.")]
Cameras = Annotated[str, typer.Option(help=f"Cameras of a {nouns('cameras')}, separated by commas; empty: both.")]
SourceName = Annotated[
    str | None,
    typer.Option(
        autocompletion=completing(lambda: (*KINDS, "auto")),
        help=f"{', '.join(KINDS)}, or auto to look at the root. Default: auto with --root, else synthetic.",
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        autocompletion=completing(_model_names),
        help="Name of a model ('i2p models'), or a folder that 'i2p train' wrote.",
    ),
]
Drives = Annotated[str, typer.Option(help=f"Drives of a {nouns('drives')}, separated by commas; empty: all.")]
ImageTopic = Annotated[str, typer.Option("--image", help="Image topic of a bag; empty: the most likely camera.")]
PointsTopic = Annotated[str, typer.Option("--points", help="Cloud topic of a bag; empty: the most likely lidar.")]
InfoTopic = Annotated[str, typer.Option("--camera-info", help="Calibration topic of a bag; empty: that of the images.")]
NONE: list[Any] = []
WIDE = 10_000  # columns of output that no terminal shows
LOST = 3  # exit code of `i2p evaluate` and `i2p replay` when a part of the recording could not be read


def tell_error(error: Exception) -> None:
    """Print an error as one line on stderr."""
    console.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)


def listed(text: str) -> list[str] | None:
    """Parts of a text between commas; none if it has none."""
    return [part.strip() for part in text.split(",") if part.strip()] or None


def chosen_protocols(names: str) -> list[ProtocolName]:
    """Protocols of the option; empty if it is not given."""
    found: list[ProtocolName] = [name for name in PROTOCOLS if name in (listed(names) or [])]
    if len(found) < len(listed(names) or []):
        hints = "".join(did_you_mean(name, PROTOCOLS) for name in listed(names) or [] if name not in PROTOCOLS)
        raise InputError(
            f"--protocols needs different ones of {', '.join(PROTOCOLS)}; got {names}.{hints}", "protocols"
        )
    return found


def kind_of(source: str | None, root: Path | None) -> str:
    """The kind of source: the given one, or what is at the root if there is one, or synthetic places."""
    return source or ("auto" if root else "synthetic")


def recording_settings(
    files: Sequence[Path], overrides: Sequence[str], image: str, points: str, camera_info: str
) -> Settings:
    """Settings of a command that reads recordings: of the files, then the overrides, then the topics that are given."""
    topics = {"image": image, "points": points, "camera_info": camera_info}
    return load_settings(files, [*overrides, *(f"topics.{name}={topic}" for name, topic in topics.items() if topic)])


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Context in which Ctrl-C, or SIGTERM of a scheduler, raises one KeyboardInterrupt; the work goes on."""
    raising_once = raising(Interrupted())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, raising_once)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


class Bar:
    """A bar on stderr, called with the number of parts done, the number of all, once it is known, and a short text."""

    def __init__(self, bars: Progress, what: str, total: int | None = None) -> None:
        self._bars, self._what = bars, escape(what)
        self._task = bars.add_task(self._what, total=total)

    def __call__(self, done: int, total: int | None = None, text: str = "") -> None:
        self._bars.update(self._task, completed=done, total=total, description=f"{self._what} {text}".strip())

    def inner(self, what: str) -> Callable[[int, int], None]:
        """A bar below this one, while parts are left to do."""
        tasks = dict[str, TaskID]()

        def step(done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = self._bars.add_task(what)
            self._bars.update(tasks[what], completed=done, total=total)
            if done == total:
                self._bars.remove_task(tasks.pop(what))

        return step


class _Count(MofNCompleteColumn):
    """Parts done and in all, where these are counted."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class _Left(TimeRemainingColumn):
    """The time left, where parts are counted."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else Text.assemble(super().render(task), " left")


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Bar]:
    """Context with a bar: number done, time taken and time left. It is shown on a terminal only, and until the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), _Count(), TimeElapsedColumn(), _Left())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield Bar(bars, what, total)


def loaded(model: str | None, settings: Settings) -> Localizer:
    """The localizer of a model, with a bar while it is loaded. A wrong name is told before PyTorch is imported."""
    from i2p_ros.runtime.manifest import find_entry

    find_entry(model or settings.model)
    with progress("loading the network"):
        from i2p_ros.localizer import load

        return load(model, settings)


def show(numbers: dict[str, Any], json_file: Path | None) -> None:
    """Print a short table, and write all numbers to the JSON file."""
    write_json(numbers, json_file)
    if json_file == Path("-"):
        return
    table = Table("", "value")
    for key, value in {**numbers, **numbers.get("spread", {})}.items():
        if isinstance(value, dict) and ("median" in value or "mean" in value):
            parts = (f"{k} {_short(v)}" for k, v in value.items() if v is not None)
            table.add_row(key, ", ".join(parts) or "none")
        elif isinstance(value, int | float | str):
            table.add_row(key, _short(value) if isinstance(value, float) else escape(str(value)))
    output.print(table)


def _short(value: float) -> str:
    """Three digits, and never an exponent for what is large."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def print_lines(table: Table) -> None:
    """Print a table with each row on one line: cut at the edge of a terminal, and never in a pipe or a file."""
    for column in table.columns:
        column.no_wrap = True
    (output if output.is_terminal else Console(width=WIDE)).print(table)


def tell_definitions(definitions: Mapping[str, str]) -> None:
    """Print what the names in a table mean, a line each, on stderr."""
    for name, text in definitions.items():
        console.print(f"[bold]{name}[/]: {escape(text)}", highlight=False)


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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p index` and `i2p fleet`: many recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from i2p_ros.cli import INTERRUPTED
from i2p_ros.cli.parts import (
    LOST,
    NONE,
    Files,
    JsonFile,
    Overrides,
    check_targets,
    console,
    interrupted_once,
    progress,
    write_json,
)
from i2p_ros.core.config import Settings, load_settings

if TYPE_CHECKING:
    from i2p_ros.fleet.run import FleetSummary

GOES_ON = "interrupted: what was finished is kept, and the same command goes on"
IndexFile = Annotated[str, typer.Argument(metavar="INDEX", help="File that `i2p index` wrote.")]
OutUri = Annotated[str, typer.Option("--out", help="Folder or URI for the tables.")]
Workers = Annotated[
    int, typer.Option(min=0, help="Workers. 1: without Ray. 0: one for each CPU of the Ray cluster or machine.")
]
Address = Annotated[str, typer.Option("--ray", help="Address of a Ray cluster, or auto for the one on this machine.")]
Retry = Annotated[bool, typer.Option("--retry-quarantined", help="Try the recordings in quarantine again.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Longest time of one recording, s.")]
Memory = Annotated[float, typer.Option(min=0.1, help="Most memory of one worker, GB.")]

VERBS = {  # what they do, and the rest of an example
    "monitor": ("Judge the calibration that each recording states.", "index.parquet --out results/fleet --workers 2"),
    "calibrate": ("Calibrate each recording without a guess.", "index.parquet --out s3://lake/results --ray auto"),
    "localize": ("Localize some pairs of each recording.", "index.parquet --out results/fleet --set fleet.pairs=5"),
}

fleet = typer.Typer(
    no_args_is_help=True,
    help="Many recordings: the monitor, the calibration or the localizer on all recordings of an index.",
    epilog="Exit codes: 0 all recordings are finished, 3 some are in quarantine, 130 interrupted, 1 error.\n\n"
    "Example: i2p fleet monitor index.parquet --out results/fleet --workers 2",
)


def index(
    root: Annotated[str, typer.Argument(help="Folder or URI with recordings.")],
    out: Annotated[str, typer.Option("--out", help="Parquet file to write.")] = "index.parquet",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """List the recordings below a folder or URI, with a hash and a verdict for each.

    Rows of recordings that have not changed are taken over from the file, if it exists.
    """
    from i2p_ros.fleet.index import made_index, read_index, write_index

    check_targets(json_file)
    settings = load_settings(files, overrides)
    with interrupted_once():
        with progress("recordings") as step:
            rows, left = made_index(root, settings, read_index(out, settings), step)
        write_index(out, rows, settings)
    verdicts = Counter(str(row["verdict"]) for row in rows)
    write_json({"index": out, "recordings": len(rows), "left": left, "verdicts": verdicts}, json_file)
    bad = verdicts["unusable"]
    console.print(escape(f"{len(rows)} recordings, {bad} of them unusable: {out}"), soft_wrap=True)
    if left:
        console.print(f"interrupted: {left} recordings are left, and the same command goes on", soft_wrap=True)
        raise typer.Exit(INTERRUPTED)


def _command(verb: str) -> Callable[..., None]:
    """The command that runs a verb."""

    def command(
        index_file: IndexFile, out: OutUri, workers: Workers = 1, address: Address = "", retry: Retry = False,
        task_timeout: Timeout = 1800.0, task_memory: Memory = 6.0, json_file: JsonFile = None, files: Files = NONE,
        overrides: Overrides = NONE,
    ) -> None:  # fmt: skip
        check_targets(json_file)
        settings = load_settings(files, overrides)
        done = _run(verb, index_file, out, settings, workers, address, retry, task_timeout, task_memory)
        write_json({"out": out, **asdict(done)}, json_file)
        _tell(done, out)

    return command


for verb, (what, example) in VERBS.items():
    fleet.command(verb, help=what, epilog=f"Example: i2p fleet {verb} {example}")(_command(verb))


def _run(
    verb: str, index_file: str, out: str, settings: Settings, workers: int, address: str, retry: bool, timeout: float,
    memory: float,
) -> FleetSummary:  # fmt: skip
    """Run a verb. Exit code 130 where that is interrupted before the work begins."""
    from i2p_ros.fleet.index import read_index
    from i2p_ros.fleet.run import FleetPlan, run_fleet
    from i2p_ros.fleet.storage import Storage
    from i2p_ros.fleet.tasks import Limits

    limits = Limits(timeout, round(memory * 1e9))
    plan = FleetPlan(verb, settings, limits, workers, address, retry)
    try:
        with interrupted_once(), progress(f"{verb} recordings") as step:
            rows = read_index(index_file)
            return run_fleet(rows, Storage(out), plan, step)
    except KeyboardInterrupt:  # before the work, or for the second time
        console.print(GOES_ON, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def _tell(done: FleetSummary, out: str) -> None:
    """Say what was done, and exit with the code for it."""
    if done.note:
        console.print(escape(f"note: {done.note}"), soft_wrap=True)
    for line in _lines(done, out):
        console.print(escape(line), soft_wrap=True)
    if done.is_interrupted:
        raise typer.Exit(INTERRUPTED)
    if done.quarantined + done.quarantined_before:
        raise typer.Exit(LOST)


def _lines(done: FleetSummary, out: str) -> Iterator[str]:
    """What a run did, in lines."""
    finished, quarantined = done.finished + done.finished_before, done.quarantined + done.quarantined_before
    if done.is_interrupted:
        yield GOES_ON
    yield (
        f"{done.recordings} recordings: {finished} finished ({done.finished} now), {quarantined} in quarantine "
        f"({done.quarantined} now), {done.left} left, {done.seconds:.1f} s: {out}"
    )

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p monitor`: recordings against their calibration, the history, and the proof."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from i2p_ros.cli.parts import (
    NONE,
    Drives,
    Files,
    ImageTopic,
    InfoTopic,
    JsonFile,
    Overrides,
    PointsTopic,
    check_targets,
    console,
    listed,
    output,
    progress,
    recording_settings,
    tell_definitions,
    tell_error,
    write_json,
)
from i2p_ros.cli.viewing import DriftView, View, check_view
from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.hints import did_you_mean
from i2p_ros.sources.kinds import default_cameras

if TYPE_CHECKING:
    from i2p_ros.monitor.history import History

EXIT_CODES = {"ok": 0, "unsure": 6, "warn": 7, "alarm": 8}  # of `i2p monitor BAG...`, by the level of its verdict
DAY_NS = 86_400 * 10**9


class _BagsFirst(TyperGroup):
    """A group whose first word may also be a recording: then the command is `check`.

    A word that names no file and is nearly a command is taken for that.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            misspelt = not Path(args[0]).exists() and did_you_mean(args[0], self.commands)
            args = args if misspelt else ["check", *args]
        return super().parse_args(ctx, args)


monitor = typer.Typer(
    cls=_BagsFirst,
    no_args_is_help=True,
    help="How far has the camera drifted from its calibration? Give recordings, or one of the commands. "
    "The options for recordings are those of `i2p monitor check`.",
    epilog="Example: i2p monitor drive.mcap --report results/monitor",
)


@monitor.command(epilog="Example: i2p monitor monday.mcap tuesday.mcap --nominal car.urdf --report results/monitor")
def check(
    recordings: Annotated[list[Path], typer.Argument(help="Bags or KITTI folders.")],
    nominal: Annotated[Path | None, typer.Option(help="Calibration (URDF, or YAML of ~/save); else its own.")] = None,
    accept: Annotated[
        Path | None, typer.Option(help="Recording whose state is accepted: drift is counted from it.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.html and the results.")] = None,
    drives: Drives = "",
    cameras: Annotated[
        str, typer.Option(help=f"Cameras of the recordings, separated by commas; empty: {default_cameras()}.")
    ] = "",
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    view: View = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Judge the calibration of each recording by itself. (`check` itself may be left out.)

    The exit code is that of the worst recording: 0 ok, 6 unsure, 7 warn, 8 alarm. If a recording cannot be judged and
    none has an alarm, it is 1. A recording is not read again if the report's folder has its result with the same
    settings.
    """
    from i2p_ros.evaluation.monitor_report import write_monitor_report
    from i2p_ros.evaluation.monitoring import Checker

    check_targets(json_file, report and report / "report.html")
    check_view(view)
    shown = DriftView(view)
    settings = recording_settings(files, overrides, image, points, camera_info)
    chosen = listed(drives), listed(cameras)
    checker = Checker(settings, nominal, accept, report, *chosen, _history(settings), shown.localized)
    results: list[dict[str, Any]] = []
    failures: list[str] = []
    for recording in recordings:
        with _collected(failures):
            parts = checker.parts(recording)
            for part in parts:
                name = " ".join(filter(None, (recording.stem, part.drive, part.camera)))
                alone = len(recordings) == 1 and len(parts) == 1
                with _collected(failures), progress(recording.name) as step, shown.part(name, alone):
                    results.append(checker.result(part, step, shown if view else None))
    if not results:
        raise typer.Exit(1)
    write_json(results, json_file)
    if report:
        with progress("writing the report"):
            page = write_monitor_report(report, results, failures)
        console.print(escape(f"pictures: {page}"), soft_wrap=True)
    if json_file != Path("-"):
        for result in results:
            output.print(_verdict_table(result))
    worst = max(EXIT_CODES[result["level"]] for result in results)
    raise typer.Exit(1 if failures and worst < EXIT_CODES["alarm"] else worst)


@monitor.command(epilog="Example: i2p monitor history fleet.db --vehicle bus7 --export bus7.csv")
def history(
    file: Annotated[Path, typer.Argument(help="SQLite file that a node or `i2p monitor` wrote.")],
    vehicle: Annotated[str | None, typer.Option(help="This vehicle alone.")] = None,
    days: Annotated[float, typer.Option(min=0, help="Number of last days. 0: all.")] = 0.0,
    last: Annotated[int, typer.Option(min=1, help="Most records that are shown.")] = 20,
    export: Annotated[Path | None, typer.Option(help="File for all records: .csv, .parquet or .mcap.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Show or export recorded estimates and verdicts."""
    from i2p_ros.evaluation.history_export import exported
    from i2p_ros.monitor.history import History

    check_targets(json_file, export)
    since = time.time_ns() - round(days * DAY_NS) if days else 0
    rows = list(History(file, read_only=True).rows(vehicle, since))
    write_json(rows, json_file)
    if export:
        with progress("exporting"):
            written = exported(rows, export)
        console.print(escape(f"{written} records written to {export}"), soft_wrap=True)
    if json_file != Path("-"):
        output.print(_history_table(rows[-last:], len(rows)))


@monitor.command(epilog="Example: i2p monitor bench --json monitor.json")
def bench(
    full: Annotated[
        bool, typer.Option("--full", help="All sizes and kinds, and 200 drives without drift. Takes hours.")
    ] = False,
    kitti: Annotated[Path | None, typer.Option(help="Folder with KITTI's raw and odometry, for real pairs.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first drive.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Compare the monitor with simple baselines, on drifts of known size.

    Synthetic drives are judged with a systematic offset of 2 mm and 0.01 deg.
    """
    from i2p_ros.bench import drift_rows
    from i2p_ros.bench import drifts as bench_monitor

    check_targets(json_file)
    settings = load_settings(files, overrides)
    plan = bench_monitor.FULL if full else bench_monitor.QUICK
    with progress("KITTI") as step:  # first: its folder may be wrong
        of_kitti = bench_monitor.of_kitti(kitti, settings, full, step) if kitti else []
    with progress("drives", sum(part.drives for part in plan)) as step:
        rows = bench_monitor.run_plan(plan, settings, seed, workers, step) + of_kitti
    found = drift_rows.summary(rows)
    write_json(found, json_file)
    if json_file != Path("-"):
        output.print(_bench_table(found))
        tell_definitions(drift_rows.DEFINITIONS)


@contextmanager
def _collected(failures: list[str]) -> Iterator[None]:
    """Collect and print the error of one recording. Raises errors that concern all recordings."""
    try:
        yield
    except InputError as error:
        if error.reason in ("history", "output"):
            raise
        failures.append(str(error))
        tell_error(error)


def _bench_table(rows: list[dict[str, Any]]) -> Table:
    keys = ("method", "source", "kind", "axis", "drift", "runs", "detected", "delay_s", "false_alarms", "error",
            "coverage95", "auc")  # fmt: skip
    table = Table(*keys)
    for row in rows:
        cells = ["" if row[k] is None else f"{row[k]:.3g}" if isinstance(row[k], float) else str(row[k]) for k in keys]
        table.add_row(*cells, style="bold" if row["method"] == "i2p" else "")
    return table


def _history(settings: Settings) -> History | None:
    from i2p_ros.monitor.history import History

    return History(Path(settings.monitor.history).expanduser()) if settings.monitor.history else None


def _verdict_table(result: dict[str, Any]) -> Table:
    from i2p_ros.core.drifts import axis_rows
    from i2p_ros.evaluation.monitor_report import loss_texts, onset_text

    verdict, level = result["verdict"], result["level"]
    title = ", ".join(filter(None, (f"{result['recording']}, {result['camera']}: {level.upper()}", onset_text(result))))
    reasons = [] if any(verdict["observed"]) else verdict["reasons"]  # the table has them otherwise
    caption = escape("; ".join([*reasons, *loss_texts(result)]))
    table = Table(
        "axis", "drift", "95 %", "detectable", "", title=escape(title), title_justify="left",
        caption=caption, caption_justify="left",
    )  # fmt: skip
    for row in axis_rows(verdict):
        texts, state = row.texts(unknown="?"), "" if row.state == "steady" else row.state
        table.add_row(row.axis, texts["drift"], f"+- {texts['half']}", texts["detectable"], state)
    return table


def _history_table(rows: list[dict[str, Any]], total: int) -> Table:
    table = Table("when (UTC)", "rig", "epoch", "verdict", "what", title=f"{len(rows)} of {total} records")
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(row["stamp"] // 10**9))
        rig = " ".join(row[part] for part in ("vehicle", "camera", "lidar"))
        verdict = row["verdict"]
        table.add_row(when, escape(rig), str(row["epoch"]), verdict["level"], escape("; ".join(verdict["reasons"])))
    return table

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p calibrate` and `i2p check-calibration`: the extrinsic calibration of a recording, found and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

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
    loaded,
    output,
    progress,
    recording_settings,
    write_json,
)
from i2p_ros.cli.viewing import CalibrationView, View, check_view
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.kinds import nouns

if TYPE_CHECKING:
    from i2p_ros.calibration import CalibrationCheck, CalibrationResult, Calibrator, Rig
    from i2p_ros.core.geometry import Pose
    from i2p_ros.core.progress import Localized

NO_CALIBRATION = 6  # exit code of `i2p calibrate` when a rig has no calibration
CHECK_CODES = {"right": 0, "cannot tell": 6, "wrong": 8}  # of `i2p check-calibration`, from the least severe
RigCameras = Annotated[
    str, typer.Option("--cameras", help=f"Cameras of a {nouns('cameras')}, separated by commas; empty: all in colour.")
]


def calibrate(
    recordings: Annotated[
        list[Path], typer.Argument(help="Recordings of one vehicle: bags, KITTI folders, pair lists.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the calibration, its report and numbers.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Calibration file to start from (see docs/calibrate.md). It may be wrong.")
    ] = None,
    pairs: Annotated[int | None, typer.Option(min=4, max=200, help="Largest number of pairs that are used.")] = None,
    drives: Drives = "",
    cameras: RigCameras = "",
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    view: View = None,
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Find T_camera_lidar of recordings, without a target and without an initial guess.

    The calibration that a recording states is not used. There is one result for each camera. The exit code is 0 if each
    camera has a calibration, 6 if one has none (its status says why), and 1 for recordings that cannot be read.
    """
    from i2p_ros.calibration.outputs import publisher_line, write_files
    from i2p_ros.calibration.report import inspections_of, write_calibration_report

    check_targets(json_file, out and out / "report.html")
    check_view(view)
    shown = CalibrationView(view)
    more = [] if pairs is None else [f"calibration.pairs={pairs}"]
    settings = recording_settings(files, [*overrides, *more], image, points, camera_info)
    found = _rigs(recordings, settings, drives, cameras)
    starts = [None if init is None else _read(init, rig, "", "", len(found)) for rig in found]
    calibrator, results = _calibrator(settings, shown.localized), list["CalibrationResult"]()
    for rig, start in zip(found, starts, strict=True):
        with progress(rig.frames[0]) as step, shown.part(rig.frames[0], len(found) == 1):
            results.append(calibrator.result(*rig.sources, init=start, progress=step))
            shown.result(results[-1], start)
    write_json([result.to_json() for result in results], json_file)
    if out:
        for result in results:
            write_files(out if len(results) == 1 else out / result.frames[0].replace("/", "_"), result)
        with progress("writing the report"):
            report = write_calibration_report(out, results, inspections_of(recordings, settings))
        console.print(escape(f"written to {out}; pictures: {report}"), soft_wrap=True)
    if json_file != Path("-"):
        for result in results:
            output.print(_result_table(result))
            if line := publisher_line(result):
                typer.echo(line)
    raise typer.Exit(0 if all(result.pose is not None for result in results) else NO_CALIBRATION)


def check_calibration(
    data: Annotated[Path, typer.Option("--data", help="Recording to judge the calibration by.")],
    file: Annotated[
        Path | None, typer.Argument(help="Calibration file (see docs/calibrate.md); else the recording's own.")
    ] = None,
    camera_frame: Annotated[str, typer.Option(help="Frame of the camera in FILE; empty: that of the images.")] = "",
    lidar_frame: Annotated[str, typer.Option(help="Frame of the lidar in FILE; empty: that of the clouds.")] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for report.html.")] = None,
    drives: Drives = "",
    cameras: RigCameras = "",
    image: ImageTopic = "",
    points: PointsTopic = "",
    camera_info: InfoTopic = "",
    json_file: JsonFile = None,
    files: Files = NONE,
    overrides: Overrides = NONE,
) -> None:
    """Judge an extrinsic calibration by a recording: right, wrong, or cannot tell, and which axis is off by how much.

    Right means that no error is found and that on every axis an error of watch.unseen_m or watch.unseen_deg would be.
    The exit code is 0 for right, 8 for wrong, 6 for cannot tell, and 1 for input that cannot be read.
    """
    from i2p_ros.calibration import checked
    from i2p_ros.calibration.report import inspections_of, write_check_report

    check_targets(json_file, report and report / "report.html")
    settings = recording_settings(files, overrides, image, points, camera_info)
    found = _rigs([data], settings, drives, cameras)
    given = [_given(file, rig, camera_frame, lidar_frame, len(found)) for rig in found]
    calibrator, checks = _calibrator(settings), list["CalibrationCheck"]()
    for rig, pose in zip(found, given, strict=True):
        with progress(rig.frames[0]) as step:
            checks.append(checked(calibrator, rig.sources, pose, step))
    write_json([check.to_json() for check in checks], json_file)
    if report:
        with progress("writing the report"):
            page = write_check_report(report, checks, inspections_of([data], settings))
        console.print(escape(f"pictures: {page}"), soft_wrap=True)
    if json_file != Path("-"):
        for check in checks:
            output.print(_check_table(check))
    raise typer.Exit(max(CHECK_CODES[check.judgement.value] for check in checks))


def _calibrator(settings: Settings, localized: Localized | None = None) -> Calibrator:
    from i2p_ros.calibration import Calibrator
    from i2p_ros.core.progress import unheard

    return Calibrator(settings, loaded(None, settings), localized or unheard)


def _rigs(recordings: list[Path], settings: Settings, drives: str, cameras: str) -> list[Rig]:
    from i2p_ros.calibration import rigs

    return rigs(recordings, settings, listed(drives), listed(cameras))


def _given(file: Path | None, rig: Rig, camera: str, lidar: str, count: int) -> Pose:
    """The calibration to judge. Raises InputError where there is none."""
    from i2p_ros.calibration.rigs import stated

    if file is not None:
        return _read(file, rig, camera, lidar, count)
    pose = stated(rig.sources[0])
    if pose is None:
        joined = f"{rig.frames[0]!r} and {rig.frames[1]!r}"
        what = f"{rig.sources[0].name} has no calibration that joins {joined}: give a file"
        raise InputError(what, "calibration.missing")
    return pose


def _read(file: Path, rig: Rig, camera: str, lidar: str, count: int) -> Pose:
    """The calibration of a file for a rig, which is one of so many."""
    from i2p_ros.sources.nominal import read_nominal

    if count > 1 and not rig.frames_in_tf and file.suffix.lower() != ".txt":
        raise InputError(f"{file} is of one camera, but there are {count} rigs: choose one by --cameras", "calibration")
    named = rig.frames_in_tf or bool(camera or lidar)
    return read_nominal(file, camera or rig.frames[0], lidar or rig.frames[1], named)


def _result_table(result: CalibrationResult) -> Table:
    from i2p_ros.calibration.report import axis_table

    camera, lidar = result.frames
    agree = f", {result.agreeing} of {result.localized} localized pairs agree" if result.localized else ""
    status = f"{result.status.value.upper()}{': ' if result.reason else ''}{result.reason}"
    title = f"{result.recording}, {camera} and {lidar}: {status} ({result.used} pairs{agree}, {result.seconds:.0f} s)"
    left_out = [f"left out: {count} ({reason})" for reason, count in result.left_out.items()]
    table = Table(
        "axis", "T_camera_lidar", "95 %", "halves differ by", "seen", title=escape(title), title_justify="left",
        caption=escape("; ".join([*left_out, *result.notes])), caption_justify="left",
    )  # fmt: skip
    for row, value in zip(axis_table(result), _values(result), strict=False):
        seen = ": ".join(filter(None, (row["word"], row["cure"])))
        table.add_row(row["axis"], value, f"+- {row['half']}", row["halves"], seen)
    return table


def _values(result: CalibrationResult) -> list[str]:
    """Translation in m, and rotation vector in deg, of T_camera_lidar."""
    import numpy as np

    from i2p_ros.core.geometry import so3_log

    if result.pose is None:
        return []
    degrees = np.degrees(so3_log(result.pose.rotation))
    return [*(f"{value:+.4f} m" for value in result.pose.translation), *(f"{value:+.3f} deg" for value in degrees)]


def _check_table(check: CalibrationCheck) -> Table:
    from i2p_ros.calibration.report import check_table

    camera, lidar = check.result.frames
    title = f"{check.result.recording}, {camera} and {lidar}: {check.judgement.value.upper()}"
    likely = [f"likely mistake: {check.mistake}"] if check.mistake else []
    caption = "; ".join([*likely, *(check.reasons if check.error is None else ()), *check.result.notes])
    table = Table(
        "axis", "off by", "95 %", "detectable", "", title=escape(title), title_justify="left",
        caption=escape(caption), caption_justify="left",
    )  # fmt: skip
    for row in check_table(check):
        table.add_row(row["axis"], row["error"], f"+- {row['half']}", row["detectable"], row["word"])
    return table

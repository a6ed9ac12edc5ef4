# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of calibrations and of checks as one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.calibration.check import CalibrationCheck, Judgement
from i2p_ros.calibration.outputs import publisher_line
from i2p_ros.calibration.result import CalibrationResult
from i2p_ros.core.config import Settings
from i2p_ros.core.drifts import AXES, SCALES, UNITS
from i2p_ros.core.geometry import Array
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.evaluation.report import environment, picture
from i2p_ros.inspection import inspect

MEANINGS = {
    Judgement.RIGHT: "Every axis is observed to the stated limit, and none is off.",
    Judgement.WRONG: "At least one axis is off by more than chance and the systematic offset explain.",
    Judgement.CANNOT_TELL: "No axis is known to be off, but not every axis is observed to the stated limit.",
}


def write_calibration_report(
    folder: Path, results: Sequence[CalibrationResult], inspections: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Path of folder/report.html, with each calibration, its axes, pictures, and what was left out.

    `inspections` are those of `inspections_of`, and open the report. Raises InputError `output` if it cannot be
    written.
    """
    shown = [_shown(result) | {"title": result.status.value, "axes": axis_table(result)} for result in results]
    return _written(folder, "Extrinsic calibration", shown, inspections)


def write_check_report(
    folder: Path, checks: Sequence[CalibrationCheck], inspections: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Path of folder/report.html, with each judgement. Otherwise as `write_calibration_report`."""
    shown = [
        _shown(check.result)
        | {"title": check.judgement.value, "meaning": MEANINGS[check.judgement], "axes": check_table(check)}
        | {"mistake": check.mistake, "reasons": check.reasons}
        for check in checks
    ]
    return _written(folder, "Check of an extrinsic calibration", shown, inspections)


def inspections_of(recordings: Sequence[Path], settings: Settings) -> list[dict[str, Any]]:
    """What `i2p check` says of each recording, as plain values."""
    return [inspect(recording, settings).to_json() for recording in recordings]


def axis_table(result: CalibrationResult) -> list[dict[str, str]]:
    """A row of texts for each axis: its 95 % interval, the difference of halves, the word and the cure."""
    if result.half is None or result.halves is None or result.std is None:
        return []
    columns = {"half": result.half, "std": result.std, "halves": result.halves}
    rows = _texts(columns)
    for row, direction in zip(rows, result.directions, strict=True):
        row |= {"word": direction.word.value, "cure": direction.cure, "share": f"{direction.share:.2f}"}
    return rows


def check_table(check: CalibrationCheck) -> list[dict[str, str]]:
    """A row of texts for each axis: the error of the given calibration, its 95 % interval, and a word."""
    if check.error is None or check.result.half is None or check.detectable is None:
        return []
    rows = _texts({"error": check.error, "half": check.result.half, "detectable": check.detectable})
    for row in rows:
        is_wrong, is_unobserved = row["axis"] in check.wrong, row["axis"] in check.unobserved
        row["word"] = "off" if is_wrong else "not observed" if is_unobserved else "right"
    return rows


def _written(
    folder: Path, heading: str, shown: Sequence[Mapping[str, Any]], inspections: Sequence[Mapping[str, Any]]
) -> Path:
    template = environment("i2p_ros.calibration").get_template("calibration.html.j2")
    path = folder / "report.html"
    write_bytes(path, template.render(heading=heading, results=shown, inspections=inspections).encode())
    return path


def _shown(result: CalibrationResult) -> dict[str, Any]:
    lost = [f"{count} pairs left out: {reason}" for reason, count in result.left_out.items()]
    pictures = {title: picture(np.asarray(image, np.uint8)) for title, image in result.pictures.items()}
    return {
        "result": result, "reason": result.reason, "meaning": "", "mistake": "", "reasons": (),
        "line": publisher_line(result), "losses": [*lost, *result.notes],
        "pictures": {title: uri for title, uri in pictures.items() if title != "where the evidence is"},
        "evidence": pictures.get("where the evidence is"),
    }  # fmt: skip


def _texts(columns: Mapping[str, Array]) -> list[dict[str, str]]:
    """Texts with two decimals and the unit, for each axis and column."""
    return [
        {"axis": axis} | {name: f"{values[k] * SCALES[k]:.2f} {UNITS[k]}" for name, values in columns.items()}
        for k, axis in enumerate(AXES)
    ]

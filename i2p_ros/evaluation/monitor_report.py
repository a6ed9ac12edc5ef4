# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of `i2p monitor` as one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from i2p_ros.core.drifts import axis_rows
from i2p_ros.core.geometry import Array
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.evaluation.plots import drifts
from i2p_ros.evaluation.report import data_uri, environment

MEANINGS = {
    "ok": "No drift on any axis.",
    "warn": "The camera has drifted by less than the tolerance.",
    "alarm": "The camera has drifted by more than the tolerance.",
    "unsure": "No drift is detected, but not every axis is observed.",
}


def write_monitor_report(folder: Path, results: Sequence[dict[str, Any]], failures: Sequence[str] = ()) -> Path:
    """Path of folder/report.html, with verdicts, drift over time with its intervals, pictures, and unobserved axes.

    `failures` are the errors of recordings without a result.
    """
    path = Path(folder) / "report.html"
    write_bytes(path, rendered(results, failures).encode())
    return path


def rendered(results: Sequence[dict[str, Any]], failures: Sequence[str] = ()) -> str:
    """HTML of write_monitor_report. Results are those of `Result.to_json`, with pictures."""
    template = environment().get_template("monitor.html.j2")
    return template.render(
        meanings=MEANINGS,
        failures=failures,
        results=[
            result
            | {"axes": _axes(result), "plot": _plot(result), "onset": onset_text(result), "losses": loss_texts(result)}
            for result in results
        ],
    )


def onset_text(result: dict[str, Any]) -> str:
    """Course and onset of the drift. Empty where there is none."""
    verdict, windows = result["verdict"], result["windows"]
    if verdict["since"] is None:
        return ""
    if verdict["since"] <= windows[0]["stamp"]:
        return "since the first window"
    course = "" if verdict["course"] == "undecided" else f"{verdict['course']} "
    return f"{course}{(verdict['since'] - windows[0]['stamp']) * 1e-9:.0f} s after the first window"


def loss_texts(result: dict[str, Any]) -> list[str]:
    """The parts of a recording that no verdict uses, with reasons, and the notes of the source."""
    left_out = [f"windows left out: {count} ({reason})" for reason, count in result["left_out"].items()]
    lost = [f"pairs, messages or files lost: {count} ({reason})" for reason, count in result["lost"].items()]
    none = [] if result["windows"] else ["no window of pairs was complete: there is no verdict"]
    return [*left_out, *lost, *none, *result["notes"]]


def _axes(result: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each axis, in cm and deg."""
    return [{"axis": row.axis, "state": row.state, **row.texts()} for row in axis_rows(result["verdict"])]


def _plot(result: dict[str, Any]) -> Markup | None:
    windows = result["windows"]
    if not windows:
        return None
    offset = np.zeros(6) if result["accepted"] is None else np.array(result["accepted"])
    stamps = np.array([window["stamp"] for window in windows])
    single = np.array([window["estimate"] for window in windows]) - offset
    return data_uri(drifts(stamps, _filled(windows, "drift"), _filled(windows, "half"), single), "png")


def _filled(windows: Sequence[dict[str, Any]], name: str) -> Array:
    """Values (n, 6) of the verdicts, NaN where unknown."""
    return np.array([window["verdict"][name] for window in windows], np.float64)

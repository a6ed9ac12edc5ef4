# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of `i2p monitor` as one HTML file without anything outside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from i2p_ros.core.drifts import AXES, SCALES, UNITS
from i2p_ros.core.geometry import Array
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.evaluation.report import data_uri, environment
from i2p_ros.viz.plots import drifts

MEANINGS = {
    "ok": "No drift, on any axis.",
    "warn": "The camera has moved, by less than the tolerance.",
    "alarm": "The camera has moved by more than the tolerance.",
    "unsure": "No drift is seen, but not every axis is seen well enough to say that there is none.",
}


def write_monitor_report(folder: Path, results: Sequence[dict[str, Any]]) -> Path:
    """folder/report.html: verdicts, drift over time with its intervals, pictures, and what could not be seen."""
    path = Path(folder) / "report.html"
    write_bytes(path, rendered(results).encode())
    return path


def rendered(results: Sequence[dict[str, Any]]) -> str:
    """The HTML of write_monitor_report; results are as `Result.to_json` makes them, with pictures."""
    template = environment().get_template("monitor.html.j2")
    return template.render(
        meanings=MEANINGS,
        results=[result | {"axes": _axes(result), "plot": _plot(result)} for result in results],
    )


def _axes(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per axis, in cm and deg."""
    verdict, rows = result["verdict"], []
    for i, (axis, unit, scale) in enumerate(zip(AXES, UNITS, SCALES, strict=True)):
        texts = {
            name: "unknown" if verdict[name][i] is None else f"{verdict[name][i] * scale:.2f} {unit}"
            for name in ("drift", "half", "detectable")
        }
        state = "moved" if axis in verdict["moved"] else "steady" if verdict["observed"][i] else "not observed"
        rows.append({"axis": axis, "state": state, **texts})
    return rows


def _plot(result: dict[str, Any]) -> Markup | None:
    windows = result["windows"]
    if not windows:
        return None
    offset = np.zeros(6) if result["accepted"] is None else np.array(result["accepted"])
    stamps = np.array([window["stamp"] for window in windows])
    single = np.array([window["estimate"] for window in windows]) - offset
    return data_uri(drifts(stamps, _filled(windows, "drift"), _filled(windows, "half"), single), "png")


def _filled(windows: Sequence[dict[str, Any]], name: str) -> Array:
    """(n, 6) of the verdicts, NaN where nothing is known."""
    return np.array([window["verdict"][name] for window in windows], np.float64)

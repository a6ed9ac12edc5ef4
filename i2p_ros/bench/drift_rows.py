# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of the drift benchmark: one for each run and method, and a summary over runs that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from i2p_ros.bench.averages import mean, median, medians
from i2p_ros.bench.drift_cases import DriftRun
from i2p_ros.bench.drift_methods import Detection
from i2p_ros.core.drifts import AXES, SCALES

DETECTED_WITHIN_S = 30.0  # a later alarm is no detection
DEFINITIONS = {
    "detected": "runs with a warning or alarm within 30 s of the onset (real frames: at all), and none before",
    "delay_s": "median time from the onset to that warning",
    "false_alarms": "runs with a warning or alarm without a drift, or before it",
    "error": "median of |estimated - true| at the end, of the axis that moved (mixed: of the worst), in cm or deg",
    "coverage95": "share of 95 % intervals of all axes that hold the truth at the end",
    "detectable": "median of the detectable drift at the end, by axis, in cm or deg",
    "auc": "area under the ROC of the loudest evidence in a run, against the runs without drift of the same source",
}


def row_of(method: str, source: str, run: DriftRun, found: Detection) -> dict[str, Any]:
    """Plain values of one run by one method; drifts and errors in cm or deg."""
    case, truth = run.case, run.truth
    onset = {"none": np.inf, "constant": 0.0}.get(case.kind, run.onset)
    before = [when for when in found.alarms if when < onset]
    after = [when - onset for when in found.alarms if when >= onset]
    in_time = [delay for delay in after if delay <= DETECTED_WITHIN_S or case.kind == "constant"]
    error, covered = None, None
    if found.estimate is not None and case.kind != "none":
        errors = np.abs(found.estimate - truth) * SCALES
        error = float(errors.max() if case.axis == "mixed" else errors[AXES.index(case.axis)])
    if found.estimate is not None and found.half is not None:
        covered = float(np.mean(np.abs(found.estimate - truth) <= found.half))
    size = np.abs(np.array(case.drift) * SCALES).max()
    return {
        "method": method, "source": source, "kind": case.kind, "axis": case.axis, "drift": round(float(size), 4),
        "detected": bool(in_time) and not before, "delay_s": in_time[0] if in_time else None,
        "false_alarm": bool(before), "error": error, "covered": covered, "loudest": found.loudest,
        "detectable": None if found.detectable is None else (found.detectable * SCALES).tolist(),
    }  # fmt: skip


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per method, source, kind, axis and size, over all of its runs."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in ("method", "source", "kind", "axis", "drift")), []).append(row)
    quiet = {key[:2]: [row["loudest"] for row in found] for key, found in groups.items() if key[2] == "none"}
    return [_summary_row(key, found, quiet.get(key[:2], [])) for key, found in groups.items()]


def _summary_row(key: tuple[Any, ...], found: Sequence[dict[str, Any]], quiet: Sequence[float]) -> dict[str, Any]:
    method, source, kind, axis, drift = key
    delays = [row["delay_s"] for row in found if row["detected"]]
    return {
        "method": method, "source": source, "axis": axis, "drift": drift, "kind": kind, "runs": len(found),
        "detected": sum(row["detected"] for row in found), "delay_s": median(delays),
        "false_alarms": sum(row["false_alarm"] for row in found),
        "error": median([row["error"] for row in found]), "coverage95": mean([row["covered"] for row in found]),
        "auc": None if kind == "none" or not quiet else auc([row["loudest"] for row in found], quiet),
        "detectable": medians([row["detectable"] for row in found]),
    }  # fmt: skip


def auc(loud: Sequence[float], quiet: Sequence[float]) -> float:
    """Probability that a run with drift is louder than one without (Mann and Whitney)."""
    a, b = np.array(loud)[:, None], np.array(quiet)[None]
    return float(np.mean((a > b) + 0.5 * (a == b)))

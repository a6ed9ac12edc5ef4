# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of scores as PNG bytes, with a clear background and colours that read on light and on dark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from i2p_ros.core.geometry import Array
from i2p_ros.core.metrics import Score

INK, BLUE, ORANGE, RED = "#7d8590", "#3b82f6", "#e08a1e", "#e5484d"
STAGES = (BLUE, ORANGE, "#22a06b", "#a855f7", "#0ea5b7", "#d6409f")
STYLE: Any = {
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def error_over_time(scores: Sequence[Score]) -> bytes:
    """rte_m and rre_deg of each pair; red marks at the foot are pairs without a pose."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        when, label = _when(scores)
        _errors(upper, when, _column(scores, "rte_m"), "translation error (m)", 2.0)
        _errors(lower, when, _column(scores, "rre_deg"), "rotation error (deg)", 5.0)
        lower.set_xlabel(label)
        return _png(figure)


def recall_curves(scores: Sequence[Score]) -> bytes:
    """Share of all pairs whose rte_m, or rre_deg, is below a limit, against the limit; missed pairs never count."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _recall(left, _column(scores, "rte_m"), 5.0, BLUE, "translation error below (m)")
        _recall(right, _column(scores, "rre_deg"), 10.0, ORANGE, "rotation error below (deg)")
        left.set_ylabel("share of all pairs")
        return _png(figure)


def latency(scores: Sequence[Score]) -> bytes:
    """Milliseconds of each stage, one on the other, of each pair."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 2.8), layout="constrained")
        axes = figure.subplots()
        stages = list(dict.fromkeys(stage for s in scores for stage in s.stages_ms))
        parts = [[s.stages_ms.get(stage, 0.0) for s in scores] for stage in stages]
        if parts:
            colours = [STAGES[k % len(STAGES)] for k in range(len(stages))]
            axes.stackplot(range(len(scores)), parts, labels=stages, colors=colours, alpha=0.8, linewidth=0)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        else:
            axes.plot([s.latency_ms for s in scores], ".", color=BLUE)
        axes.set(xlabel="pair", ylabel="time (ms)", ylim=(0.0, None))
        axes.margins(x=0.01)
        return _png(figure)


def _errors(axes: Axes, when: Array, errors: Array, label: str, limit: float) -> None:
    """One panel, logarithmic: dots, the coarsest limit of recall as a line, and marks for missing poses."""
    shown = np.maximum(errors, 1e-4)
    low, high = np.nanmin([*shown, 0.02 * limit]), np.nanmax([*shown, limit])
    axes.set(yscale="log", ylabel=label, ylim=(0.6 * low, 1.6 * high))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.plot(when, shown, ".", color=BLUE, markersize=5)
    axes.axhline(limit, color=ORANGE, linewidth=1, linestyle="--")
    missing = when[np.isnan(errors)]
    foot = axes.get_xaxis_transform()
    axes.plot(missing, np.full(len(missing), 0.03), "|", color=RED, markersize=9, transform=foot)


def _recall(axes: Axes, errors: Array, limit: float, colour: str, label: str) -> None:
    limits = np.linspace(0.0, limit, 200)
    share = (errors[:, None] < limits).mean(axis=0) if len(errors) else np.zeros(200)
    axes.plot(limits, share, color=colour, linewidth=2)
    axes.set(xlabel=label, xlim=(0.0, limit), ylim=(0.0, 1.02))


def _column(scores: Sequence[Score], key: str) -> Array:
    """(N,) of one error, NaN where there is no pose."""
    return np.array([np.nan if (v := getattr(s, key)) is None else v for s in scores], np.float64)


def _when(scores: Sequence[Score]) -> tuple[Array, str]:
    """Seconds since the first pair where the stamps are those of one recording, else the number of the pair."""
    stamps = np.array([s.stamp for s in scores], np.int64)
    one_drive = len({s.drive for s in scores}) == 1
    if one_drive and len(stamps) > 1 and (np.diff(stamps) > 0).all():
        return (stamps - stamps[0]) / 1e9, "time (s)"
    return np.arange(len(scores), dtype=np.float64), "pair"


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, transparent=True, metadata={"Software": None})
    return out.getvalue()

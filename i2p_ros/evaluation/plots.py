# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of scores as PNG bytes, with a clear background and colours that read on light and on dark."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core import consistency
from i2p_ros.core.drifts import AXES, SCALES, UNITS
from i2p_ros.core.geometry import Array
from i2p_ros.evaluation.definitions import FAILED, RECALLS
from i2p_ros.evaluation.metrics import Score, column, degrees_of_freedom

INK, BLUE, ORANGE, RED = "#7d8590", "#3b82f6", "#e08a1e", "#e5484d"
NEES_SHOWN = 30.0  # beyond 99.996 % of a true covariance
PER_GROUP, MOST_GROUPS = 10, 10  # pairs of which a share is taken at least, and shares at most
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
    """Plot of rte_m and rre_deg of each pair; red marks at the foot are pairs without a pose."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        when, label = _when(scores)
        _errors(upper, when, column(scores, "rte_m"), "translation error (m)", 2.0)
        _errors(lower, when, column(scores, "rre_deg"), "rotation error (deg)", 5.0)
        lower.set_xlabel(label)
        return _png(figure)


def drifts(stamps: Array, drift: Array, half: Array, single: Array) -> bytes:
    """Plot of a drift (n, 6) by axis over time with its intervals (n, 6), and single estimates (n, 6); m and rad."""
    seconds = (stamps - stamps[0]) / 1e9
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 4.8), layout="constrained")
        rows = figure.subplots(2, 3, sharex=True)
        for i, axes in enumerate(rows.ravel()):
            line, band, dots = (SCALES[i] * values[:, i] for values in (drift, half, single))
            axes.fill_between(seconds, line - band, line + band, color=BLUE, alpha=0.25, linewidth=0)
            axes.plot(seconds, line, color=BLUE, marker="." if len(seconds) == 1 else None)
            axes.plot(seconds, dots, ".", color=ORANGE, markersize=4)
            axes.axhline(0.0, color=INK, linewidth=1)
            axes.set_title(f"{AXES[i]} ({UNITS[i]})", fontsize=10)
        for axes in rows[1]:
            axes.set_xlabel("s since the first window")
        return _png(figure)


def recall_curves(scores: Sequence[Score]) -> bytes:
    """Plot of the share of all pairs with an error below x, logarithmic; a pair without a pose is never below.

    The errors are rte_m with rre_deg below 5 deg, rre_deg with rte_m below 2 m, and each alone.
    """
    metres, degrees = column(scores, "rte_m"), column(scores, "rre_deg")
    most_m, most_deg = RECALLS["recall_2m_5deg"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _recall(left, metres, degrees < most_deg, BLUE, "m", most_m, f"and within {most_deg:g} deg")
        _recall(right, degrees, metres < most_m, ORANGE, "deg", most_deg, f"and within {most_m:g} m")
        left.set(ylabel="share of all pairs", xlabel="translation error below (m)", xlim=(0.01, 30.0))
        right.set(xlabel="rotation error below (deg)", xlim=(0.05, 360.0))
        return _png(figure)


def error_over_overlap(scores: Sequence[Score]) -> bytes:
    """Plot of rte_m of each pair, and of the share right of groups of equal size, against the overlap."""
    known = [s for s in scores if s.overlap is not None]
    overlap = 100.0 * column(known, "overlap")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True)
        _errors(left, overlap, column(known, "rte_m"), "translation error (m)", RECALLS["recall_2m_5deg"][0])
        _recall_by(right, overlap, np.array([s.kind == "right" for s in known]))
        for axes in (left, right):
            axes.set_xlabel("points in view (%)")
        return _png(figure)


def latency(scores: Sequence[Score]) -> bytes:
    """Plot of the time of each stage of each pair, ms, one on the other."""
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


def time_over_points(series: Sequence[tuple[int, float]]) -> bytes:
    """Plot of the time of a pair, ms, against the points of its cloud, logarithmic."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 2.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*series, strict=True), "o-", color=BLUE, linewidth=2)
        axes.set(xscale="log", xlabel="points of the cloud", ylabel="time of a pair (ms)", ylim=(0.0, None))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        return _png(figure)


def stages_over_floor(stages: Sequence[Mapping[str, Any]]) -> bytes:
    """Plot of a bar of each stage's time, ms, with a mark at its floor."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 2.8), layout="constrained")
        axes = figure.subplots()
        names = [row["name"] for row in stages]
        axes.barh(names, [row["ms"] for row in stages], color=BLUE, alpha=0.8, label="measured")
        axes.plot(
            [row["floor_ms"] for row in stages], names, "|", color=ORANGE, markersize=13, markeredgewidth=3,
            label="floor",
        )  # fmt: skip
        axes.invert_yaxis()
        axes.set(xlabel="time of a pair (ms)")
        figure.legend(loc="outside right upper")
        return _png(figure)


def calibration(scores: Sequence[Score]) -> bytes:
    """Plot of observed against stated coverage, and of the NEES against chi-square with 6 degrees of freedom."""
    stated = [s for s in scores if s.nees is not None]
    nees, nu = column(stated, "nees"), degrees_of_freedom(stated)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _reliability(left, nees, nu)
        _nees(right, nees)
        return _png(figure)


def ranking(scores: Sequence[Score]) -> bytes:
    """Plot of the error left when uncertain poses are dropped, and of the poses right and kept by confidence."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _sparsification(left, [s for s in scores if s.std_m is not None])
        _thresholds(right, scores)
        return _png(figure)


def _reliability(axes: Axes, nees: Array, nu: ArrayLike = np.inf) -> None:
    """Panel of coverage: below the diagonal the covariance is too small."""
    levels = np.linspace(0.0, 1.0, 101)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="ideal")
    if len(nees):
        axes.plot(levels, consistency.coverage(nees, levels, nu), color=BLUE, linewidth=2, label="observed")
    axes.set(xlabel="stated probability", ylabel="share of poses inside", xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    axes.legend(loc="upper left")


def _nees(axes: Axes, nees: Array) -> None:
    """Panel of the NEES: bars against the density that a true covariance gives; larger values are in the last bar."""
    edges = np.linspace(0.0, NEES_SHOWN, 21)
    x = np.linspace(0.0, NEES_SHOWN, 200)
    if len(nees):
        share = np.histogram(np.minimum(nees, NEES_SHOWN), edges)[0] / len(nees) / edges[1]
        axes.stairs(share, edges, fill=True, color=BLUE, alpha=0.6, label="observed")
    axes.plot(x, consistency.chi2_density(x), color=ORANGE, linewidth=2, label="ideal, chi-square of 6")
    axes.set(xlabel=f"NEES (last bar: all above {edges[-2]:g})", ylabel="density", xlim=(0.0, NEES_SHOWN))
    axes.set_ylim(0.0, None)
    axes.legend(loc="upper center")


def _sparsification(axes: Axes, scores: Sequence[Score]) -> None:
    """Panel of the mean error of the poses left, against the share that was dropped."""
    axes.set(xlabel="share of poses dropped", ylabel="mean camera error (m)", xlim=(0.0, 1.0))
    if not scores:
        return
    errors, dropped = column(scores, "rte_camera_m"), np.arange(len(scores)) / len(scores)
    axes.plot(dropped, np.full(len(scores), errors.mean()), color=INK, linestyle="--", linewidth=1, label="random")
    by_spread = consistency.sparsification(errors, column(scores, "std_m"))
    axes.plot(dropped, by_spread, color=BLUE, linewidth=2, label="by stated deviation")
    oracle = consistency.sparsification(errors, errors)
    axes.plot(dropped, oracle, color=ORANGE, linewidth=2, label="by true error")
    axes.set_ylim(0.0, None)
    axes.legend(loc="lower left")


def _thresholds(axes: Axes, scores: Sequence[Score]) -> None:
    """Panel of the poses at or above a confidence: the share of them that is right, and their share of all pairs."""
    axes.set(xlabel="least confidence", ylabel="share", xlim=(0.0, 1.0), ylim=(0.0, 1.02))
    found = [s for s in scores if s.failed is not None]
    if not found:
        return
    least = np.linspace(0.0, 1.0, 201)
    kept = column(found, "confidence")[:, None] >= least
    right = kept[~column(found, "failed").astype(bool)].sum(axis=0) / np.maximum(kept.sum(axis=0), 1)
    label = f"within {FAILED[0]:g} m and {FAILED[1]:g} deg, of those kept"
    axes.plot(least[kept.any(axis=0)], right[kept.any(axis=0)], color=BLUE, linewidth=2, label=label)
    axes.plot(least, kept.sum(axis=0) / len(scores), color=ORANGE, linewidth=2, label="kept, of all pairs")
    axes.legend(loc="lower left")


def _errors(axes: Axes, when: Array, errors: Array, label: str, limit: float) -> None:
    """Panel of errors, logarithmic: dots, the coarsest limit of recall as a line, and marks for missing poses."""
    shown = np.maximum(errors, 1e-4)
    low, high = np.nanmin([*shown, 0.02 * limit]), np.nanmax([*shown, limit])
    axes.set(yscale="log", ylabel=label, ylim=(0.6 * low, 1.6 * high))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.plot(when, shown, ".", color=BLUE, markersize=5)
    axes.axhline(limit, color=ORANGE, linewidth=1, linestyle="--")
    missing = when[np.isnan(errors)]
    foot = axes.get_xaxis_transform()
    axes.plot(missing, np.full(len(missing), 0.03), "|", color=RED, markersize=9, transform=foot)


def _recall(
    axes: Axes, errors: Array, gate: NDArray[np.bool_], colour: str, unit: str, limit: float, gated: str
) -> None:
    """Panel of recall: both curves and, dashed, the limit of the recall in the tiles."""
    limits = np.geomspace(0.01, 360.0, 600)
    for kept, label, style in ((gate, gated, "-"), (np.isfinite(errors), "alone", ":")):
        below = (errors[kept, None] < limits).sum(axis=0) / max(len(errors), 1)
        axes.plot(limits, below, color=colour, linewidth=2, linestyle=style, label=label)
    axes.axvline(limit, color=INK, linewidth=1, linestyle="--", label=f"{limit:g} {unit}")
    axes.set(xscale="log", ylim=(0.0, 1.02))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper left")


def _recall_by(axes: Axes, values: Array, right: NDArray[np.bool_]) -> None:
    """Panel of recall by groups of at least ten pairs, in the order of a value: dots at mean and share right."""
    axes.set(ylabel="share within 2 m, 5 deg", ylim=(0.0, 1.02))
    if not len(values):
        return
    groups = np.array_split(np.argsort(values, kind="stable"), np.clip(len(values) // PER_GROUP, 1, MOST_GROUPS))
    shares = [right[group].mean() for group in groups]
    axes.plot([values[group].mean() for group in groups], shares, "o-", color=ORANGE, linewidth=2)


def _when(scores: Sequence[Score]) -> tuple[Array, str]:
    """Seconds since the first pair if the stamps are of one recording, else the number of the pair; and the label."""
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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Summary of many scores. Every number has a definition, a unit and a denominator: see definitions.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core import consistency
from i2p_ros.core.consistency import AXES, LEVELS
from i2p_ros.core.drifts import AXES as DIRECTIONS
from i2p_ros.core.observability import Seen
from i2p_ros.core.types import Status
from i2p_ros.evaluation.calibration_errors import calibration_quality
from i2p_ros.evaluation.definitions import BLOCK, DEFINITIONS, ERRORS, KINDS, RECALLS, SPREAD
from i2p_ros.evaluation.indoor import IndoorRow, indoor_summary
from i2p_ros.evaluation.metrics import Score, column, degrees_of_freedom


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """Numbers of DEFINITIONS and the definitions, as plain values for JSON: null where no pair counts."""
    return {
        "n": len(scores),
        "pairs": len(scores),
        "processed": sum(s.processed for s in scores),
        "dropped": sum(not s.processed for s in scores),
        "localized": sum(s.status is Status.OK for s in scores),
        **{key: _share([s.within(*at) for s in scores]) for key, at in RECALLS.items()},
        **{f"{key}_geodesic": _share([s.within_geodesic(*at) for s in scores]) for key, at in RECALLS.items()},
        **{key: _statistics([v for s in scores if (v := getattr(s, key)) is not None]) for key in ERRORS},
        "calibration": calibration_quality(scores),
        **_covariance_quality([s for s in scores if s.nees is not None]),
        **_confidence_quality([s for s in scores if s.failed is not None]),
        "junk_rate": _share([bool(s.junk) for s in scores if s.status is Status.OK and s.junk is not None]),
        "wrong_rate": _share([bool(s.wrong) for s in scores if s.status is Status.OK and s.wrong is not None]),
        "indoor": _indoor(scores),
        "weak_directions": _directions(scores, Seen.WEAK),
        "unseen_directions": _directions(scores, Seen.NOT),
        "availability": _share([s.status is Status.OK for s in scores]),
        "intervals": _intervals(scores),
        "latency_ms": _latency([s.latency_ms for s in scores if s.processed]),
        "status": dict(sorted(Counter(s.status.value for s in scores).items())),
        "failures": _failures(scores),
        "definitions": dict(DEFINITIONS),
    }


def spread(summaries: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean, min and max of each figure of SPREAD over the summaries that have it; `a.b` is figure b of entry a."""
    return {key: _extent([v for summary in summaries if (v := _figure(summary, key)) is not None]) for key in SPREAD}


def _figure(summary: dict[str, Any], key: str) -> float | None:
    entry, _, statistic = key.partition(".")
    found: float | None = summary[entry][statistic] if statistic else summary[entry]
    return found


def _extent(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"mean": None, "min": None, "max": None}
    return {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}


def _failures(scores: Sequence[Score]) -> dict[str, int]:
    """Number of pairs of each kind except right: first all of KINDS, the worst first, then statuses."""
    found = Counter(s.kind for s in scores)
    with_pose = [kind for kind in reversed(KINDS) if kind != "right"]
    return {kind: found[kind] for kind in (*with_pose, *sorted(found.keys() - KINDS.keys()))}


def _covariance_quality(scores: Sequence[Score]) -> dict[str, Any]:
    """Numbers of COVARIANCE that need errors and covariances."""
    levels = [f"{level:g}" for level in LEVELS]
    if not scores:
        names = ("anees", "anees_ratio", "nees_median", "degrees_of_freedom", "calibration_error", "ause")
        numbers = dict.fromkeys(names)
        return numbers | {"coverage": dict.fromkeys(levels), "coverage_axes": dict.fromkeys(AXES)}
    nees, std_m, error_m = (column(scores, key) for key in ("nees", "std_m", "rte_camera_m"))
    nu = degrees_of_freedom(scores)
    axes = consistency.axis_coverage(np.array([s.z for s in scores]), 0.95, nu)
    return {
        "anees": float(nees.mean()),
        "anees_ratio": float(nees.mean() / 6),
        "nees_median": float(np.median(nees)),
        "degrees_of_freedom": float(np.median(nu)) if np.isfinite(np.median(nu)) else None,
        "coverage": dict(zip(levels, consistency.coverage(nees, degrees_of_freedom=nu).tolist(), strict=True)),
        "coverage_axes": dict(zip(AXES, axes.tolist(), strict=True)),
        "calibration_error": consistency.calibration_error(nees, nu),
        "ause": consistency.ause(error_m, std_m),
    }


def _directions(scores: Sequence[Score], word: Seen) -> dict[str, float | None]:
    """For each axis the share of poses of which it has this word."""
    return {axis: _share([s.directions[axis] == word.value for s in scores if s.directions]) for axis in DIRECTIONS}


def _indoor(scores: Sequence[Score]) -> dict[str, Any] | None:
    """Figures of INDOOR over the pairs that have them."""
    rows = [IndoorRow(s.drive, s.indoor, s.rte_camera_m, s.rre_geodesic_deg) for s in scores if s.indoor]
    return indoor_summary(rows)


def _confidence_quality(scores: Sequence[Score]) -> dict[str, float | None]:
    confidence = column(scores, "confidence")
    failed, junk = (np.array([getattr(s, key) for s in scores], bool) for key in ("failed", "junk"))
    right = np.array([not s.wrong for s in scores], np.float64)
    brier = float(np.mean((confidence - right) ** 2)) if scores else None
    areas = {"auroc": consistency.auroc(confidence, failed), "auroc_junk": consistency.auroc(confidence, junk)}
    return {**areas, "brier": brier}


def _intervals(scores: Sequence[Score]) -> dict[str, list[float] | None]:
    """Intervals [low, high] of 95 % of some means over pairs; NaN marks a pair that a mean does not count."""
    nees, published = column(scores, "nees"), np.array([s.status is Status.OK for s in scores])
    held = np.where(np.isnan(nees), np.nan, consistency.ellipsoid_level(nees, degrees_of_freedom(scores)) <= 0.95)
    values = {
        "anees_ratio": nees / 6,
        "coverage_0.95": held,
        "junk_rate": np.where(published, column(scores, "junk"), np.nan),
        "availability": published,
        "recall_2m_5deg": np.array([s.within(*RECALLS["recall_2m_5deg"]) for s in scores]),
    }
    found = consistency.mean_intervals(np.column_stack([*values.values()]).astype(float), _blocks(scores))
    return {key: None if np.isnan(row).any() else row.tolist() for key, row in zip(values, found, strict=True)}


def _blocks(scores: Sequence[Score]) -> NDArray[np.int64]:
    """Block number of each pair (N,): pairs of a block are correlated, blocks are taken as independent."""
    drives = [s.drive for s in scores]
    if len(set(drives)) == 1 and drives[0]:
        order = {name: k for k, name in enumerate(dict.fromkeys(s.name for s in scores))}
        return np.array([order[s.name] for s in scores]) // BLOCK  # a pair of several seeds stays in its block
    names = [drive or f"/{index}" for index, drive in enumerate(drives)]
    return np.unique(names, return_inverse=True)[1]


def _share(good: Sequence[bool]) -> float | None:
    return float(np.mean(good)) if good else None


def _statistics(values: Sequence[float]) -> dict[str, float | int | None]:
    if not values:
        return {"mean": None, "std": None, "median": None, "n": 0}
    mean, std, median = float(np.mean(values)), float(np.std(values)), float(np.median(values))
    return {"mean": mean, "std": std, "median": median, "n": len(values)}


def _latency(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None}
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95))}

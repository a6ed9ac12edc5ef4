# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the indoor benchmarks of 2D3D-MATR (Li et al. 2023), for pairs whose image has a measured depth.

INDOOR has the definition of each figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Correspondences, PoseEstimate, Sample
from i2p_ros.evaluation.definitions import (
    AUC_M,
    FEWEST_MATCHES,
    INDOOR,
    INLIER_M,
    MATCHED_RATIO,
    REGISTERED_M,
    SOLVER_PX,
)
from i2p_ros.pnp.baselines import opencv_p3p_50000


@dataclass(frozen=True, slots=True)
class IndoorScore:
    """Figures of one pair; INDOOR says what they mean. `measured` is the number of matches with a depth."""

    matches: int
    measured: int
    inlier_ratio: float
    inlier_ratio_measured: float | None
    rmse_m: float | None
    rmse_p3p_m: float | None


def indoor_score(estimate: PoseEstimate, sample: Sample) -> IndoorScore | None:
    """Figures of an estimate for a sample with a true pose; None without a depth image."""
    if sample.depth is None or sample.T_camera_lidar is None:
        return None
    T_true, points = sample.T_camera_lidar, sample.pair.cloud.finite().xyz.astype(np.float64)
    matches = estimate.correspondences or Correspondences(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0))
    right, measured = _right(matches, sample, T_true)
    baseline = None
    if len(matches) >= FEWEST_MATCHES:
        baseline = opencv_p3p_50000(matches.pixels, matches.points, sample.pair.camera, SOLVER_PX)
    return IndoorScore(
        matches=len(matches),
        measured=int(measured.sum()),
        inlier_ratio=float(right.mean()) if len(right) else 0.0,
        inlier_ratio_measured=float(right[measured].mean()) if measured.any() else None,
        rmse_m=registration_rmse(estimate.pose, T_true, points),
        rmse_p3p_m=registration_rmse(baseline, T_true, points),
    )


def registration_rmse(T_estimated: Pose | None, T_true: Pose, points: Array) -> float | None:
    """Root mean square distance (m) of points (N, 3) between two poses; None without a pose or points."""
    if T_estimated is None or not len(points):
        return None
    away = T_estimated.apply(points) - T_true.apply(points)
    return float(np.sqrt((away**2).sum(axis=1).mean()))


def _right(matches: Correspondences, sample: Sample, T_true: Pose) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(M,) whether each match is within INLIER_M of the measured point, and (M,) whether its pixel has a depth."""
    assert sample.depth is not None
    height, width = sample.depth.shape
    columns, rows = np.round(matches.pixels).astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    z = np.where(inside, sample.depth[rows.clip(0, height - 1), columns.clip(0, width - 1)], 0.0).astype(np.float64)
    rays = sample.pair.camera.rays(matches.pixels)
    seen = rays / rays[:, 2:] * z[:, None]
    distance = np.linalg.norm(T_true.apply(matches.points) - seen, axis=1)
    return (z > 0) & (distance < INLIER_M), z > 0


@dataclass(frozen=True, slots=True)
class IndoorRow:
    """One pair in a summary: its scene, figures, and errors of its published pose (m, deg)."""

    scene: str
    score: IndoorScore
    rte_camera_m: float | None
    rre_geodesic_deg: float | None


def indoor_summary(rows: Sequence[IndoorRow]) -> dict[str, Any] | None:
    """Each figure of INDOOR over all pairs (`micro`) and as a mean over scenes (`macro`); None without pairs."""
    if not rows:
        return None
    scenes = dict.fromkeys(row.scene for row in rows)
    each = [_figures([row for row in rows if row.scene == scene]) for scene in scenes]
    macro = {key: _mean([figures[key] for figures in each]) for key in INDOOR}
    return {"pairs": len(rows), "scenes": len(scenes), "micro": _figures(rows), "macro": macro}


def _figures(rows: Sequence[IndoorRow]) -> dict[str, float | None]:
    scores = [row.score for row in rows]
    registered = [row for row in rows if _below(row.score.rmse_m)]
    return {
        "inlier_ratio": _mean([score.inlier_ratio for score in scores]),
        "inlier_ratio_measured": _mean([score.inlier_ratio_measured for score in scores]),
        "feature_matching_recall": _mean([float(score.inlier_ratio >= MATCHED_RATIO) for score in scores]),
        "registration_recall": len(registered) / len(rows),
        "registration_recall_p3p": _mean([float(_below(score.rmse_p3p_m)) for score in scores]),
        "rmse_auc": _mean([max(0.0, 1.0 - _finite(score.rmse_m) / AUC_M) for score in scores]),
        "median_rmse_m": _median(rows, lambda row: row.score.rmse_m),
        "median_rte_camera_m": _median(rows, lambda row: row.rte_camera_m),
        "median_rre_geodesic_deg": _median(rows, lambda row: row.rre_geodesic_deg),
        "registered_rte_camera_m": _mean([row.rte_camera_m for row in registered]),
        "registered_rre_geodesic_deg": _mean([row.rre_geodesic_deg for row in registered]),
    }


def _below(rmse_m: float | None) -> bool:
    return rmse_m is not None and rmse_m < REGISTERED_M


def _finite(value: float | None) -> float:
    return np.inf if value is None else value


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def _median(rows: Sequence[IndoorRow], key: Callable[[IndoorRow], float | None]) -> float | None:
    median = float(np.median([_finite(key(row)) for row in rows]))
    return median if np.isfinite(median) else None

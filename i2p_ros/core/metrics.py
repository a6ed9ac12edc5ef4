# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of one pair and of many. Every number has a definition, a unit and a denominator: see DEFINITIONS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from i2p_ros.core.geometry import Pose, so3_log
from i2p_ros.core.types import PoseEstimate, Status

RECALLS = {"recall_2m_5deg": (2.0, 5.0), "recall_05m_2deg": (0.5, 2.0), "recall_025m_1deg": (0.25, 1.0)}
ERRORS = {
    "rte_m": "relative translation error, m: length of the translation of inv(T_estimated) T_true, that is how far the "
    "origin of the cloud is off in the camera frame",
    "rte_camera_m": "distance between the estimated and the true camera centre, m",
    "rre_deg": "relative rotation error, deg: sum of the absolute Euler angles (extrinsic x, z, y; axes right, down, "
    "forward) of inv(T_estimated) T_true, as VP2P-Match and its followers report it",
    "rre_geodesic_deg": "angle of the residual rotation, deg",
}
# The field gives clouds in camera axes, where yaw is one angle; about our z a yaw beyond 90 deg would count as two
RIGHT_DOWN_FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
DEFINITIONS: dict[str, str] = {
    "n": "pairs evaluated, with or without a pose",
    "pairs": "the same as n",
    "processed": "pairs that the localizer took on, whatever came of them",
    "dropped": "the other pairs: a node was busy with another one, failed, or did not answer",
    "localized": "pairs with a pose, right or wrong",
    **{
        key: f"share of all n pairs with rte_m < {m:g} m and rre_deg < {deg:g} deg; a pair without a pose is missed"
        for key, (m, deg) in RECALLS.items()
    },
    **{
        f"{key}_geodesic": f"as {key}, with rte_camera_m < {m:g} m and rre_geodesic_deg < {deg:g} deg in their place"
        for key, (m, deg) in RECALLS.items()
    },
    **{key: f"{text}; mean, std and median over the n pairs that have a pose" for key, text in ERRORS.items()},
    "latency_ms": "time from pair to answer, ms; median and 95th percentile over the processed pairs",
    "status": "pairs by how they ended; only ok has a pose",
}


@dataclass(frozen=True, slots=True)
class Score:
    """One pair against the truth. Errors are none where there is no pose; DEFINITIONS says what they mean."""

    name: str
    status: Status
    rte_m: float | None = None
    rte_camera_m: float | None = None
    rre_deg: float | None = None
    rre_geodesic_deg: float | None = None
    inliers: int = 0
    confidence: float = 0.0
    latency_ms: float = 0.0
    stages_ms: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    stamp: int = 0  # ns, of the image

    @property
    def drive(self) -> str:
        """The recording: what stands before the first `/` of the name, or nothing."""
        first, slash, _ = self.name.partition("/")
        return first if slash else ""

    @property
    def processed(self) -> bool:
        """Whether the localizer took the pair on."""
        return self.status is not Status.NOT_PROCESSED

    def within(self, metres: float, degrees: float) -> bool:
        """Whether there is a pose with rte_m and rre_deg below the limits."""
        return self.rte_m is not None and self.rre_deg is not None and self.rte_m < metres and self.rre_deg < degrees

    def within_geodesic(self, metres: float, degrees: float) -> bool:
        """Whether there is a pose with rte_camera_m and rre_geodesic_deg below the limits."""
        m, deg = self.rte_camera_m, self.rre_geodesic_deg
        return m is not None and deg is not None and m < metres and deg < degrees


def score(estimate: PoseEstimate, T_camera_lidar: Pose, name: str = "", stamp: int = 0) -> Score:
    """The estimate against the true T_camera_lidar; latency is the sum of the stages that the estimate has timed."""
    stages = {stage: 1e3 * seconds for stage, seconds in estimate.seconds.items()}
    return Score(
        name=name,
        status=estimate.status,
        inliers=estimate.n_inliers,
        confidence=estimate.confidence,
        latency_ms=sum(stages.values()),
        stages_ms=stages,
        reason=estimate.reason,
        stamp=stamp,
        **({} if estimate.pose is None else pose_errors(estimate.pose, T_camera_lidar)),
    )


def pose_errors(T_estimated: Pose, T_true: Pose) -> dict[str, float]:
    """The four errors of DEFINITIONS between two T_camera_lidar."""
    T_rest = T_estimated.inverse() @ T_true
    centres = T_estimated.inverse().translation - T_true.inverse().translation
    return {
        "rte_m": float(np.linalg.norm(T_rest.translation)),
        "rte_camera_m": float(np.linalg.norm(centres)),
        "rre_deg": float(np.abs(euler_xzy_deg(RIGHT_DOWN_FORWARD @ T_rest.rotation @ RIGHT_DOWN_FORWARD.T)).sum()),
        "rre_geodesic_deg": float(np.degrees(np.linalg.norm(so3_log(T_rest.rotation)))),
    }


def euler_xzy_deg(rotation: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(3,) angles (a, b, c) in deg with rotation = R_y(c) R_z(b) R_x(a), as scipy's as_euler("xzy").

    At b = +-90 deg only a and c together are known; c is then 0, as in scipy.
    """
    r = np.asarray(rotation, np.float64)
    b = np.arcsin(np.clip(r[1, 0], -1.0, 1.0))
    if np.hypot(r[1, 1], r[1, 2]) < 1e-7:
        return np.degrees([np.arctan2(r[2, 1], r[2, 2]), b, 0.0])
    return np.degrees([np.arctan2(-r[1, 2], r[1, 1]), b, np.arctan2(-r[2, 0], r[0, 0])])


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """The numbers of DEFINITIONS and the definitions themselves, ready for JSON: null where there is nothing to say."""
    return {
        "n": len(scores),
        "pairs": len(scores),
        "processed": sum(s.processed for s in scores),
        "dropped": sum(not s.processed for s in scores),
        "localized": sum(s.status is Status.OK for s in scores),
        **{key: _share([s.within(*at) for s in scores]) for key, at in RECALLS.items()},
        **{f"{key}_geodesic": _share([s.within_geodesic(*at) for s in scores]) for key, at in RECALLS.items()},
        **{key: _statistics([v for s in scores if (v := getattr(s, key)) is not None]) for key in ERRORS},
        "latency_ms": _latency([s.latency_ms for s in scores if s.processed]),
        "status": dict(sorted(Counter(s.status.value for s in scores).items())),
        "definitions": dict(DEFINITIONS),
    }


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

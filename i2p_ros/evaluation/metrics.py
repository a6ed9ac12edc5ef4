# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score of one pair against the truth. Every number has a definition and a unit: see definitions.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from i2p_ros.core import consistency
from i2p_ros.core.geometry import Array, Pose, so3_log
from i2p_ros.core.pose_directions import pose_directions
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.evaluation.definitions import FAILED, FLIPPED, JUNK, RECALLS, WRONG
from i2p_ros.evaluation.indoor import IndoorScore

# The field gives clouds in camera axes, where yaw is one angle; about our z a yaw beyond 90 deg would count as two
RIGHT_DOWN_FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """Random draw of a pair, from which the pair can be made again: that of `seed` for the pair of number `index`.

    Transforms are the 12 numbers of a (3, 4) matrix, row by row. `T_camera_lidar` is the true pose for the moved cloud,
    `T_given_lidar` how the cloud was moved, and `prior` the pose that the localizer was given, if any.
    """

    seed: int
    index: int
    T_given_lidar: Numbers
    T_camera_lidar: Numbers
    prior: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Score of one pair against the truth. Errors are None without a pose; DEFINITIONS says what they mean.

    `failed`, `junk` and `wrong` are set for a withheld pose too. `nees` to `std_deg` need a published pose with a
    covariance.
    """

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
    failed: bool | None = None
    junk: bool | None = None
    wrong: bool | None = None
    nees: float | None = None
    z: tuple[float, ...] | None = None  # (6,) errors of the camera in standard deviations, order as AXES
    degrees_of_freedom: float | None = None  # of the Student-t distribution of the error; None: a Gaussian
    directions: dict[str, str] = field(default_factory=dict)  # how well each axis of the camera is seen, in a word
    std_m: float | None = None  # root of the trace of the position block, about the camera
    std_deg: float | None = None
    overlap: float | None = None  # share of the cloud's points that project into the image under the true pose
    T_estimated: Numbers | None = None  # (12,) T_camera_lidar of a published pose
    draw: Draw | None = None
    indoor: IndoorScore | None = None  # of a pair whose image has a measured depth

    @property
    def kind(self) -> str:
        """One of KINDS where there is a pose, else the status."""
        if self.rte_m is None or self.rre_geodesic_deg is None:
            return self.status.value
        if self.within(*RECALLS["recall_2m_5deg"]):
            return "right"
        if self.rre_geodesic_deg > FLIPPED:
            return "flipped"
        return "near_miss" if self.within_geodesic(*JUNK) else "elsewhere"

    @property
    def drive(self) -> str:
        """Name of the recording: the part of `name` before the first `/`, or empty."""
        first, slash, _ = self.name.partition("/")
        return first if slash else ""

    @property
    def processed(self) -> bool:
        """Whether the localizer processed the pair."""
        return self.status is not Status.NOT_PROCESSED

    def within(self, metres: float, degrees: float) -> bool:
        """Whether there is a pose with rte_m and rre_deg below the limits."""
        return self.rte_m is not None and self.rre_deg is not None and self.rte_m < metres and self.rre_deg < degrees

    def within_geodesic(self, metres: float, degrees: float) -> bool:
        """Whether there is a pose with rte_camera_m and rre_geodesic_deg below the limits."""
        m, deg = self.rte_camera_m, self.rre_geodesic_deg
        return m is not None and deg is not None and m < metres and deg < degrees


def score(estimate: PoseEstimate, T_camera_lidar: Pose, name: str = "", stamp: int = 0) -> Score:
    """Score of an estimate against the true T_camera_lidar; latency is the sum of the estimate's timed stages."""
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
        T_estimated=None if estimate.pose is None else numbers(estimate.pose),
        directions=pose_directions(estimate),
        **_against_truth(estimate, T_camera_lidar),
    )


def numbers(pose: Pose) -> Numbers:
    """(12,) upper three rows of a pose's matrix, row by row, as KITTI writes poses."""
    return tuple(pose.matrix[:3].ravel().tolist())


def overlap(pair: Pair, T_camera_lidar: Pose) -> float:
    """Share of the cloud's finite points that project into the image under a pose; 0 without finite points."""
    xyz = pair.cloud.finite().xyz
    _, inside = pair.camera.project(T_camera_lidar.apply(xyz))
    return float(inside.mean()) if len(xyz) else 0.0


def pose_errors(T_estimated: Pose, T_true: Pose) -> dict[str, float]:
    """Errors between two T_camera_lidar by their names in ERRORS; m and deg."""
    T_rest = T_estimated.inverse() @ T_true
    centres = T_estimated.inverse().translation - T_true.inverse().translation
    return {
        "rte_m": float(np.linalg.norm(T_rest.translation)),
        "rte_camera_m": float(np.linalg.norm(centres)),
        "rre_deg": float(np.abs(euler_xzy_deg(RIGHT_DOWN_FORWARD @ T_rest.rotation @ RIGHT_DOWN_FORWARD.T)).sum()),
        "rre_geodesic_deg": float(np.degrees(np.linalg.norm(so3_log(T_rest.rotation)))),
    }


def _against_truth(estimate: PoseEstimate, T_true: Pose) -> dict[str, Any]:
    """Fields of a score that need the truth. A withheld pose has the verdicts alone: it was not published."""
    found = estimate.pose or estimate.withheld
    if found is None:
        return {}
    errors = pose_errors(found, T_true)
    m, deg = errors["rte_camera_m"], errors["rre_geodesic_deg"]
    limits = (("failed", FAILED), ("junk", JUNK), ("wrong", WRONG))
    verdicts = {key: m > at[0] or deg > at[1] for key, at in limits}
    return verdicts if estimate.pose is None else errors | verdicts | _against_covariance(estimate, T_true)


def _against_covariance(estimate: PoseEstimate, T_true: Pose) -> dict[str, Any]:
    """Fields of a score that need a covariance: the error in its units, and its size; empty without one."""
    if estimate.pose is None or estimate.covariance is None:
        return {}
    error, covariance = consistency.camera_error(estimate.pose, estimate.covariance, T_true)
    if (found := consistency.normalised(error, covariance)) is None:
        return {}
    variance = np.diag(covariance)
    std_m, std_deg = float(np.sqrt(variance[:3].sum())), float(np.degrees(np.sqrt(variance[3:].sum())))
    nu = estimate.degrees_of_freedom if np.isfinite(estimate.degrees_of_freedom) else None
    sizes = {"std_m": std_m, "std_deg": std_deg, "degrees_of_freedom": nu}
    return {"nees": found[0], "z": tuple(found[1].tolist()), **sizes}


def euler_xzy_deg(rotation: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Angles (3,) a, b, c in deg with rotation = R_y(c) R_z(b) R_x(a), as scipy's as_euler("xzy").

    At b = +-90 deg only a and c together are known; c is then 0, as in scipy.
    """
    r = np.asarray(rotation, np.float64)
    b = np.arcsin(np.clip(r[1, 0], -1.0, 1.0))
    if np.hypot(r[1, 1], r[1, 2]) < 1e-7:
        return np.degrees([np.arctan2(r[2, 1], r[2, 2]), b, 0.0])
    return np.degrees([np.arctan2(-r[1, 2], r[1, 1]), b, np.arctan2(-r[2, 0], r[0, 0])])


def degrees_of_freedom(scores: Sequence[Score]) -> Array:
    """Degrees of freedom (N,) of the distributions of the errors; infinite for a Gaussian."""
    return np.array([np.inf if s.degrees_of_freedom is None else s.degrees_of_freedom for s in scores])


def column(scores: Sequence[Score], key: str) -> Array:
    """One field of each score (N,), NaN where it is None."""
    return np.array([np.nan if (v := getattr(s, key)) is None else v for s in scores], np.float64)

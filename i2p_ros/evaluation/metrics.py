# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of one pair and of many. Every number has a definition, a unit and a denominator: see DEFINITIONS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core import consistency
from i2p_ros.core.consistency import AXES, LEVELS
from i2p_ros.core.geometry import Array, Pose, so3_log
from i2p_ros.core.types import Pair, PoseEstimate, Status

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
FAILED = (1.0, 2.0)  # m, deg: a pose further off is a failure that a good confidence foresees
JUNK = (5.0, 10.0)  # m, deg: a pose further off must not be published
FLIPPED = 150.0  # deg: a pose turned by more sees the street the other way
BLOCK = 10  # successive pairs of one drive that count as one observation
KINDS: dict[str, str] = {
    "right": "a pose within 2 m and 5 deg of the truth, by rte_m and rre_deg",
    "near_miss": f"not right, but within {JUNK[0]:g} m and {JUNK[1]:g} deg, by rte_camera_m and rre_geodesic_deg",
    "elsewhere": f"further off than near_miss, but turned by no more than {FLIPPED:g} deg",
    "flipped": f"turned by more than {FLIPPED:g} deg (rre_geodesic_deg): the same place seen the other way",
}
COVARIANCE: dict[str, str] = {
    "anees": "average normalised estimation error squared, no unit: mean of error^T covariance^-1 error over the "
    "published poses with a covariance; the error is that of the camera in the cloud, along and about camera axes. "
    "6 is ideal, more is over-confident",
    "anees_ratio": "anees / 6, no unit, over the poses of anees; 1 is ideal",
    "nees_median": "the median where anees is the mean, no unit, over the poses of anees; 5.35 is ideal",
    "coverage": "share of the poses of anees whose truth lies inside the ellipsoid of a level; the level is ideal",
    "coverage_axes": "share of the poses of anees whose error along or about one camera axis lies inside its own 95 % "
    "interval; 0.95 is ideal",
    "calibration_error": "mean absolute gap between level and coverage over the levels 0.05 to 0.95, over the poses of "
    "anees; 0 is ideal",
    "ause": "area under the sparsification error curve, no unit, over the poses of anees: the mean rte_camera_m left "
    "when poses of large position deviation are dropped first, above what is left when those of large error are; as a "
    "share of what random order leaves. 0 is ideal, 1 as good as random",
    "auroc": f"probability that a failure (rte_camera_m > {FAILED[0]:g} m or rre_geodesic_deg > {FAILED[1]:g} deg) has "
    "a lower confidence than a success, over all pairs with a pose, published or withheld; 1 is ideal, 0.5 a guess",
    "auroc_junk": f"as auroc, but only rte_camera_m > {JUNK[0]:g} m or rre_geodesic_deg > {JUNK[1]:g} deg is a failure",
    "junk_rate": f"share of the published poses with rte_camera_m > {JUNK[0]:g} m or rre_geodesic_deg > {JUNK[1]:g} "
    "deg; 0 is ideal",
    "availability": "share of all n pairs with a published pose, right or wrong",
    "intervals": "low and high end of 95 %, by bootstrap of blocks: a block is a drive, 10 successive pairs if all "
    "are of one drive, a pair where no drive is known. A share of 0 gets no width, though up to 3 / blocks fits",
}
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
    **COVARIANCE,
    "latency_ms": "time from pair to answer, ms; median and 95th percentile over the processed pairs",
    "status": "pairs by how they ended; only ok has a pose",
    "failures": "pairs that are not right, by kind; without a pose the kind is the status. "
    + "; ".join(f"{kind}: {text}" for kind, text in KINDS.items()),
}
SPREAD = (
    *(key + suffix for suffix in ("", "_geodesic") for key in RECALLS),
    *(f"{key}.{statistic}" for key in ERRORS for statistic in ("mean", "median")),
    *("availability", "junk_rate", "anees_ratio"),
)  # headline figures whose spread over seeds is told


Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """How a pair was asked, so that anybody can ask it again: the draw of `seed` for the pair of number `index`.

    Transforms are the 12 numbers of a (3, 4) matrix, row by row. `T_camera_lidar` is the truth for the cloud as it was
    given, and `prior` what was told of it.
    """

    seed: int
    index: int
    T_given_lidar: Numbers
    T_camera_lidar: Numbers
    prior: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One pair against the truth. Errors are none where there is no pose; DEFINITIONS says what they mean.

    `failed` and `junk` are known of a withheld pose too. `nees` to `std_deg` need a published pose with a covariance.
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
    nees: float | None = None
    z: tuple[float, ...] | None = None  # (6,) errors of the camera in standard deviations, order as AXES
    std_m: float | None = None  # root of the trace of the position block, about the camera
    std_deg: float | None = None
    overlap: float | None = None  # share of the cloud's points that project into the image under the true pose
    T_estimated: Numbers | None = None  # (12,) T_camera_lidar of a published pose
    draw: Draw | None = None

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
        T_estimated=None if estimate.pose is None else numbers(estimate.pose),
        **_against_truth(estimate, T_camera_lidar),
    )


def numbers(pose: Pose) -> Numbers:
    """(12,) the upper three rows of its matrix, row by row, as KITTI writes poses."""
    return tuple(pose.matrix[:3].ravel().tolist())


def overlap(pair: Pair, T_camera_lidar: Pose) -> float:
    """Share of the cloud's finite points that project into the image under a pose; 0 of none."""
    xyz = pair.cloud.finite().xyz
    _, inside = pair.camera.project(T_camera_lidar.apply(xyz))
    return float(inside.mean()) if len(xyz) else 0.0


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


def _against_truth(estimate: PoseEstimate, T_true: Pose) -> dict[str, Any]:
    """What a score says of the pose. Of a withheld one only whether it was wrong: nobody was given it."""
    found = estimate.pose or estimate.withheld
    if found is None:
        return {}
    errors = pose_errors(found, T_true)
    m, deg = errors["rte_camera_m"], errors["rre_geodesic_deg"]
    verdicts = {key: m > at[0] or deg > at[1] for key, at in (("failed", FAILED), ("junk", JUNK))}
    return verdicts if estimate.pose is None else errors | verdicts | _against_covariance(estimate, T_true)


def _against_covariance(estimate: PoseEstimate, T_true: Pose) -> dict[str, Any]:
    """How large the error of a published pose is by its own covariance, and how large that is; empty without one."""
    if estimate.pose is None or estimate.covariance is None:
        return {}
    error, covariance = consistency.camera_error(estimate.pose, estimate.covariance, T_true)
    if (found := consistency.normalised(error, covariance)) is None:
        return {}
    variance = np.diag(covariance)
    std_m, std_deg = float(np.sqrt(variance[:3].sum())), float(np.degrees(np.sqrt(variance[3:].sum())))
    return {"nees": found[0], "z": tuple(found[1].tolist()), "std_m": std_m, "std_deg": std_deg}


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
        **_covariance_quality([s for s in scores if s.nees is not None]),
        **_confidence_quality([s for s in scores if s.failed is not None]),
        "junk_rate": _share([bool(s.junk) for s in scores if s.status is Status.OK and s.junk is not None]),
        "availability": _share([s.status is Status.OK for s in scores]),
        "intervals": _intervals(scores),
        "latency_ms": _latency([s.latency_ms for s in scores if s.processed]),
        "status": dict(sorted(Counter(s.status.value for s in scores).items())),
        "failures": _failures(scores),
        "definitions": dict(DEFINITIONS),
    }


def spread(summaries: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean, least and largest of each figure of SPREAD over the summaries that have it; a.b is figure b of entry a."""
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
    """How many of each kind but right; the kinds of KINDS always, the worst first, then statuses."""
    found = Counter(s.kind for s in scores)
    with_pose = [kind for kind in reversed(KINDS) if kind != "right"]
    return {kind: found[kind] for kind in (*with_pose, *sorted(found.keys() - KINDS.keys()))}


def _covariance_quality(scores: Sequence[Score]) -> dict[str, Any]:
    """The numbers of COVARIANCE that need errors and their covariances."""
    levels = [f"{level:g}" for level in LEVELS]
    if not scores:
        numbers = dict.fromkeys(("anees", "anees_ratio", "nees_median", "calibration_error", "ause"))
        return numbers | {"coverage": dict.fromkeys(levels), "coverage_axes": dict.fromkeys(AXES)}
    nees, std_m, error_m = (column(scores, key) for key in ("nees", "std_m", "rte_camera_m"))
    axes = consistency.axis_coverage(np.array([s.z for s in scores]), 0.95)
    return {
        "anees": float(nees.mean()),
        "anees_ratio": float(nees.mean() / 6),
        "nees_median": float(np.median(nees)),
        "coverage": dict(zip(levels, consistency.coverage(nees).tolist(), strict=True)),
        "coverage_axes": dict(zip(AXES, axes.tolist(), strict=True)),
        "calibration_error": consistency.calibration_error(nees),
        "ause": consistency.ause(error_m, std_m),
    }


def _confidence_quality(scores: Sequence[Score]) -> dict[str, float | None]:
    confidence = column(scores, "confidence")
    failed, junk = (np.array([getattr(s, key) for s in scores], bool) for key in ("failed", "junk"))
    return {"auroc": consistency.auroc(confidence, failed), "auroc_junk": consistency.auroc(confidence, junk)}


def _intervals(scores: Sequence[Score]) -> dict[str, list[float] | None]:
    """[low, high] of some means over pairs; a pair that a mean does not count is NaN."""
    nees, published = column(scores, "nees"), np.array([s.status is Status.OK for s in scores])
    held = np.where(np.isnan(nees), np.nan, consistency.chi2_probability(nees) <= 0.95)
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
    """(N,) number of the block of each pair: pairs of a block are alike, blocks are taken as independent."""
    drives = [s.drive for s in scores]
    if len(set(drives)) == 1 and drives[0]:
        order = {name: k for k, name in enumerate(dict.fromkeys(s.name for s in scores))}
        return np.array([order[s.name] for s in scores]) // BLOCK  # a pair of several seeds stays in its block
    names = [drive or f"/{index}" for index, drive in enumerate(drives)]
    return np.unique(names, return_inverse=True)[1]


def column(scores: Sequence[Score], key: str) -> Array:
    """(N,) of one number of each score, NaN where it is none."""
    return np.array([np.nan if (v := getattr(s, key)) is None else v for s in scores], np.float64)


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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pose from matches: our solver beside those of other libraries, on synthetic matches of known truth, in one run.

All solvers get the same matches, draw by draw and in turn, so that other load of the machine hits all alike.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros import pnp
from i2p_ros.bench.averages import median
from i2p_ros.core import consistency
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Array, Pose, matrix_from_quaternion
from i2p_ros.core.progress import Progress
from i2p_ros.core.types import Correspondences, PoseEstimate, Status
from i2p_ros.evaluation.metrics import Score, score
from i2p_ros.pnp.baselines import BASELINES, Baseline

OURS, REFERENCE = "i2p", "poselib"
CAMERA = Camera(360.0, 360.0, 256.0, 80.0, width=512, height=160)
THRESHOLD_PX = 8.0
SETTINGS = PnpSettings(threshold_deg=float(np.degrees(np.arctan(THRESHOLD_PX / CAMERA.fx))))
SUCCESS = (1.0, 2.0)  # m, deg
CONSISTENT_UP_TO = 0.6  # share of outliers up to which consistency is measured on more draws
CONSISTENCY_FACTOR = 10  # times as many: of 40 draws, the mean of a true NEES is known to 9 %, of 400 to 3 %

DEFINITIONS = {
    "matches": "pixels uniform over the part of the image that the geometry names, points at its depths; any rotation, "
    "and the origin of the cloud origin_m from the camera; Gaussian errors of noise_px px an axis; the share "
    "`outliers` of the matches gets other pixels, uniform over the same part. The same draws under every condition",
    "volume": "depths of 4 to 45 m over the whole image",
    "plane": "a facade seen obliquely: from 4 m at the left border to 45 m at the right one",
    "ground": "the road, 1.65 m below the camera, up to 45 m",
    "one_sided": "volume, in the left third of the image",
    "far": "depths of 40 to 80 m over the whole image",
    "success": f"share of all draws with a pose within {SUCCESS[0]:g} m and {SUCCESS[1]:g} deg; no pose is no success",
    "rot_deg": "angle of the residual rotation, deg; median over the draws with a pose, right or wrong",
    "trans_m": "distance between estimated and true camera centre, m; median over the draws with a pose",
    "ms": "wall time of one call, ms, ours with covariance and checks; median over all draws",
    "ms_ratio": f"wall time over that of {REFERENCE} on the same draw; median over all draws",
    "anees": "mean of error^T covariance^-1 error over the anees_draws poses with a covariance, right or wrong; 6 is "
    f"ideal, and anees_ratio = anees / 6. Up to {CONSISTENT_UP_TO:g} outliers ours is drawn {CONSISTENCY_FACTOR} times "
    "as often for it and for coverage",
    "coverage": "share of those poses whose truth lies inside the ellipsoid of a level",
    "coverage_axes": "share of those poses whose error along or about one camera axis lies inside its 95 % interval",
    "ess": "effective samples of 512 when the posterior of our inliers is sampled; median over the draws with a pose",
    "status": "draws by how they ended; only ok has a pose",
}


@dataclass(frozen=True)
class Geometry:
    """Places of points: the part of the image, (left, top, right, bottom) px, and depths (M,) m of rays (M, 2)."""

    part: tuple[float, float, float, float]
    depth: Callable[[Array, np.random.Generator], Array]


def _facade(rays: Array, rng: np.random.Generator) -> Array:
    left, right = CAMERA.unproject([[WHOLE[0], 0], [WHOLE[2], 0]])[:, 0]
    return 1.0 / np.interp(rays[:, 0], [left, right], [1 / 4.0, 1 / 45.0])  # on a plane 1 / z is linear in the image


def _between(near: float, far: float) -> Callable[[Array, np.random.Generator], Array]:
    return lambda rays, rng: rng.uniform(near, far, len(rays))


WHOLE = (-0.5, -0.5, CAMERA.width - 0.5, CAMERA.height - 0.5)
CAMERA_HEIGHT = 1.65  # m, KITTI's
ROAD_TOP = CAMERA.cy + CAMERA.fy * CAMERA_HEIGHT / 45.0
GEOMETRIES = {
    "volume": Geometry(WHOLE, _between(4.0, 45.0)),
    "plane": Geometry(WHOLE, _facade),
    "ground": Geometry((WHOLE[0], ROAD_TOP, *WHOLE[2:]), lambda rays, rng: CAMERA_HEIGHT / rays[:, 1]),
    "one_sided": Geometry((*WHOLE[:2], CAMERA.width / 3.0, WHOLE[3]), _between(4.0, 45.0)),
    "far": Geometry(WHOLE, _between(40.0, 80.0)),
}


@dataclass(frozen=True)
class Condition:
    """Condition of a row; DEFINITIONS says what the fields mean."""

    outliers: float = 0.3
    noise_px: float = 2.0
    matches: int = 600
    geometry: Literal["volume", "plane", "ground", "one_sided", "far"] = "volume"
    origin_m: float = 0.0

    @property
    def name(self) -> str:
        """Share of outliers, and every other field that is not the default."""
        parts = {
            "noise_px": f"{self.noise_px:g} px noise",
            "matches": f"{self.matches} matches",
            "geometry": self.geometry,
            "origin_m": f"origin {self.origin_m:g} m",
        }
        unusual = [text for key, text in parts.items() if getattr(self, key) != getattr(Condition, key)]
        return ", ".join([f"{self.outliers:.0%} outliers", *unusual])


CONDITIONS = (
    *(Condition(outliers=share) for share in (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)),
    *(Condition(noise_px=noise) for noise in (0.5, 1.0, 4.0)),
    *(Condition(matches=count) for count in (30, 100, 300, 2000)),
    *(Condition(geometry=name) for name in ("plane", "ground", "one_sided", "far")),
    *(Condition(outliers=share, origin_m=distance) for distance in (10.0, 30.0) for share in (0.0, 0.3, 0.6)),
)


@dataclass(frozen=True)
class MatchProblem:
    """Matches, their true pose, and which of them are wrong (M,)."""

    matches: Correspondences
    T_camera_lidar: Pose
    wrong: NDArray[np.bool_]


def draw_problem(condition: Condition, seed: int, draw: int) -> MatchProblem:
    """Problem of one draw; the same for the same arguments."""
    rng, n = np.random.default_rng([seed, draw]), condition.matches
    geometry = GEOMETRIES[condition.geometry]
    direction = rng.normal(size=3)
    origin = condition.origin_m * direction / np.linalg.norm(direction)
    T_camera_lidar = Pose(matrix_from_quaternion(rng.normal(size=4)), origin)
    wrong = rng.permutation(n) < round(condition.outliers * n)
    pixels, elsewhere = rng.uniform(geometry.part[:2], geometry.part[2:], (2, n, 2))
    rays, noise = CAMERA.unproject(pixels), rng.normal(0.0, condition.noise_px, (n, 2))
    points = np.column_stack([rays, np.ones(n)]) * geometry.depth(rays, rng)[:, None]
    matched_pixels = np.where(wrong[:, None], elsewhere, pixels + noise)
    matches = Correspondences(matched_pixels, T_camera_lidar.inverse().apply(points), np.ones(n))
    return MatchProblem(matches, T_camera_lidar, wrong)


def _ours(matches: Correspondences) -> PoseEstimate:
    return pnp.solve(matches, CAMERA, SETTINGS)


def _theirs(baseline: Baseline, matches: Correspondences) -> PoseEstimate:
    pose = baseline(matches.pixels, matches.points, CAMERA, THRESHOLD_PX)
    return PoseEstimate(Status.OK if pose else Status.NO_CONSENSUS, pose=pose)


Solver = Callable[[Correspondences], PoseEstimate]
SOLVERS: dict[str, Solver] = {**{name: partial(_theirs, call) for name, call in BASELINES.items()}, OURS: _ours}


def bench(
    draws: int,
    seed: int = 0,
    conditions: Sequence[Condition] = CONDITIONS,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Rows of plain values, one per condition and solver in this order; DEFINITIONS says what they mean.

    Equal arguments give equal rows except for the times. `progress` gets the number of conditions done and of all.
    """
    rows = []
    with _one_thread():
        for solver in SOLVERS.values():
            solver(draw_problem(conditions[0], seed, 0).matches)  # the first call of a library also loads it
        for done, condition in enumerate(conditions, 1):
            rows += _measured(condition, draws, seed)
            if progress:
                progress(done, len(conditions))
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV uses one thread in the block: the others use no more."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _measured(condition: Condition, draws: int, seed: int) -> list[dict[str, Any]]:
    scores: dict[str, list[Score]] = {name: [] for name in SOLVERS}
    for draw in range(draws):
        problem = draw_problem(condition, seed, draw)
        for name in list(SOLVERS)[:: 1 if draw % 2 else -1]:  # nobody is always the first to touch the matches
            scores[name].append(_scored(SOLVERS[name], problem))
    more = range(draws, CONSISTENCY_FACTOR * draws if condition.outliers <= CONSISTENT_UP_TO else draws)
    further = [_scored(_ours, draw_problem(condition, seed, draw)) for draw in more]
    return [
        {"condition": condition.name, "solver": name, **asdict(condition), "threshold_px": THRESHOLD_PX}
        | _accuracy(found, scores[REFERENCE])
        | _consistency([*found, *further] if name == OURS else [])
        | {"ess": _effective_samples(condition, draws, seed) if name == OURS else None}
        for name, found in scores.items()
    ]


def _scored(solver: Solver, problem: MatchProblem) -> Score:
    """Score of a solver on a problem; its latency is that of the call alone."""
    start = time.perf_counter()
    estimate = solver(problem.matches)
    seconds = time.perf_counter() - start
    return score(replace(estimate, seconds={"solve": seconds}), problem.T_camera_lidar)


def _accuracy(scores: Sequence[Score], reference: Sequence[Score]) -> dict[str, Any]:
    ratios = [s.latency_ms / r.latency_ms for s, r in zip(scores, reference, strict=True)]
    return {
        "draws": len(scores),
        "success": float(np.mean([s.within_geodesic(*SUCCESS) for s in scores])),
        "rot_deg": median([s.rre_geodesic_deg for s in scores]),
        "trans_m": median([s.rte_camera_m for s in scores]),
        "ms": median([s.latency_ms for s in scores]),
        "ms_ratio": median(ratios),
        "status": dict(sorted(Counter(s.status.value for s in scores).items())),
    }


def _consistency(scores: Sequence[Score]) -> dict[str, Any]:
    """Consistency of the covariances; null for solvers that give none."""
    errors = [(s.nees, s.z) for s in scores if s.nees is not None]
    if not errors:
        keys = ("anees", "anees_ratio", "coverage", "coverage_axes")
        return {**dict.fromkeys(keys), "anees_draws": 0}
    nees, z = np.array([n for n, _ in errors]), np.array([z for _, z in errors])
    levels, axes = consistency.coverage(nees).tolist(), consistency.axis_coverage(z, 0.95).tolist()
    return {
        "anees": float(nees.mean()),
        "anees_ratio": float(nees.mean() / 6.0),
        "coverage": {f"{level:g}": held for level, held in zip(consistency.LEVELS, levels, strict=True)},
        "coverage_axes": dict(zip(consistency.AXES, axes, strict=True)),
        "anees_draws": len(errors),
    }


def _effective_samples(condition: Condition, draws: int, seed: int) -> float | None:
    """Median over the draws with a pose. Not timed: `solve` samples the posterior only where inliers are few."""
    estimates = [_ours(draw_problem(condition, seed, draw).matches) for draw in range(draws)]
    return median([pnp.posterior_of(estimate, CAMERA).ess for estimate in estimates if estimate.pose])

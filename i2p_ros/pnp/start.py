# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robust start: a hypothesis by LO-RANSAC of PoseLib, the support that chance explains, and the best rival."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import poselib

from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Status
from i2p_ros.pnp.problem import Mask, NoPoseError, Problem
from i2p_ros.pnp.refine import Factor, huber_loss, jacobian, refine

SEED = 0  # makes the result deterministic
MIN_ITERATIONS = 100
ASSUMED_SIGMAS = 3.0  # gate in deviations of the noise, before the noise is estimated
RIVAL_MISSED = 0.05  # probability that a rival with the same support is not found
RIVAL_SHIFT = 3.0  # least median motion of the inliers' projections under a rival, in gates
PLANE_RATIO = 0.03  # largest thickness of a plane, to its lesser extent
FALSE_POSES = 1e-3  # expected number of poses with this support from random matches
HUBER_SIGMAS = 1.5  # limit of the Huber loss, in deviations of the noise
COMPARISON_STEPS = 10  # most steps of the least squares for poses that are only compared
MIN_MATCHES = 4  # three matches give up to four poses, and one more chooses
P3P_MATCHES = 3  # a hypothesis agrees with its own three matches, and with about as many by local optimization
AMBIGUOUS_LOG_RATIO = 3.0  # log likelihood ratio up to which the worse of two poses has at least 5 % probability


def robust_start(problem: Problem, settings: PnpSettings, prior: Factor | None) -> tuple[Pose, int]:
    """T_camera_map of the largest support, and the number of hypotheses that were tried.

    A prior adds two hypotheses: its mean, and the best of the matches that agree with it. All hypotheses are then
    refined with the prior before they are compared. Raises NoPoseError where there is no hypothesis.
    """
    options = {"min_iterations": min(settings.iterations, MIN_ITERATIONS), "success_prob": settings.confidence}
    best, tried = _ransac(problem, settings.iterations, options)
    if prior:
        guided, _ = _ransac(_near_prior(problem, prior), settings.iterations, options)
        refined = [_refined_with_prior(problem, pose, prior) for pose in (prior.mean, guided, best) if pose]
        best = max(refined, key=lambda pose: _log_posterior(problem, pose, prior))
    if best is None:
        raise NoPoseError(Status.NO_CONSENSUS, f"no pose agrees with any of {len(problem.uv)} matches")
    return best, tried


def chance_support(problem: Problem, area: int, tried: int) -> int:
    """Least support that none of `tried` poses has by chance, for matches spread over `area` (px^2) of the image.

    It follows from Chernoff's bound on a binomial tail, n KL(k / n, p) >= log(tried / FALSE_POSES), as an a contrario
    test (Moisan & Stival 2004).
    """
    n, p = len(problem.uv), min(np.pi * problem.gate**2 / area, 0.5)
    k = np.arange(1, n)[np.arange(1, n) > n * p] / n
    divergence = k * np.log(k / p) + (1.0 - k) * np.log((1.0 - k) / (1.0 - p))
    enough = np.flatnonzero(n * divergence >= np.log(max(tried, 1) / FALSE_POSES))
    return 2 * P3P_MATCHES + (round(k[enough[0]] * n) if len(enough) else n)


def rival_support(
    problem: Problem, pose: Pose, inliers: Mask, spread: Array, sigma: float, tried: int, prior: Factor | None
) -> float:
    """Support of the best rival, as a share of that of `pose`: 0 where none was found, 1 where the two are ambiguous.

    RANSAC searches the matches beyond the gate, with as many iterations as a rival of equal support needs, and no more
    than the start had. Where all inliers lie in a plane, their mirror pose is tried too. A pose that is much less
    probable under the prior is no rival.
    """
    near = problem.distances(pose)[0] <= problem.gate
    support, rest = int(near.sum()), int((~near).sum())
    if _has_mirror_pose(problem.selected(inliers), pose, spread, sigma, prior):
        return 1.0
    if rest < support / 2:
        return 0.0
    chance = min(support / rest, 0.999) ** 3  # that three matches of the rest are inliers of a rival of equal support
    needed = int(np.ceil(np.log(RIVAL_MISSED) / np.log1p(-chance)))
    other, _ = _ransac(problem.selected(~near), min(needed, max(tried, MIN_ITERATIONS)), {"min_iterations": 1})
    if other is None or _log_prior_ratio(other, pose, prior) > AMBIGUOUS_LOG_RATIO:
        return 0.0
    distance, agree = problem.agreeing(other)
    if np.median(distance[near]) < RIVAL_SHIFT * problem.gate:
        return 0.0
    return float(agree.sum() / support)


def _near_prior(problem: Problem, prior: Factor) -> Problem:
    """The matches within the gate of poses that are probable under the prior."""
    j = jacobian(prior.mean, problem.points, problem.focal)
    variance = np.einsum("mik,mik->m", j, j @ np.linalg.inv(prior.information))
    distance, in_front = problem.distances(prior.mean)
    return problem.selected((distance <= problem.gate + ASSUMED_SIGMAS * np.sqrt(variance)) & in_front)


def _ransac(problem: Problem, iterations: int, options: dict[str, Any]) -> tuple[Pose | None, int]:
    """Pose of PoseLib's LO-RANSAC, None where there is none or it is not finite, and the number of hypotheses."""
    if len(problem.uv) < MIN_MATCHES:
        return None, 0
    fx, fy = problem.focal
    pinhole = {"model": "PINHOLE", "width": 1, "height": 1, "params": [fx, fy, 0.0, 0.0]}
    stop = {"max_iterations": iterations, "dyn_num_trials_mult": 1.0, "max_reproj_error": problem.gate, "seed": SEED}
    found, info = poselib.estimate_absolute_pose(problem.uv, problem.points, pinhole, {**stop, **options}, {})
    finite = np.isfinite(found.R).all() and np.isfinite(found.t).all()
    return (Pose(found.R, found.t) if finite else None), int(info.get("iterations", iterations))


def _refined_with_prior(problem: Problem, pose: Pose, prior: Factor) -> Pose:
    """Least-squares pose of the prior and the inliers of `pose`."""
    few = problem.selected(problem.agreeing(pose)[1])
    sigma = problem.gate / ASSUMED_SIGMAS
    factor = prior.scaled_to(few.weights, sigma)
    return refine(pose, few.uv, few.points, few.weights, few.focal, HUBER_SIGMAS * sigma, COMPARISON_STEPS, factor)[0]


def _log_posterior(problem: Problem, pose: Pose, prior: Factor) -> float:
    """Log posterior up to a constant: truncated squares of the distances, and the prior."""
    distance, in_front = problem.distances(pose)
    sigma = problem.gate / ASSUMED_SIGMAS
    near = np.where(in_front, np.maximum(problem.gate**2 - distance**2, 0.0), 0.0)
    return float(near.sum()) / (2.0 * sigma**2) - prior.cost(pose)


def _has_mirror_pose(flat: Problem, pose: Pose, spread: Array, sigma: float, prior: Factor | None) -> bool:
    """Whether points in a plane have a second pose that explains their pixels nearly as well (Collins & Bartoli
    2014)."""
    centre = flat.points.mean(axis=0)
    around = flat.points - centre
    squares, axes = np.linalg.eigh(around.T @ around)  # ascending
    if squares[0] > PLANE_RATIO**2 * squares[1]:
        return False
    on_plane = flat.points - np.outer(around @ axes[:, 0], axes[:, 0])
    n, turns, shifts, _ = cv2.solvePnPGeneric(on_plane, flat.uv / flat.focal, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    for k in range(n):
        start = Pose.from_rotvec(turns[k].ravel(), shifts[k].ravel())
        if np.median(flat.distances(start)[0]) > flat.gate:
            continue  # no rival: its refinement would be wasted
        other, _ = refine(start, flat.uv, flat.points, flat.weights, flat.focal, sigma, COMPARISON_STEPS)
        delta = pose.local(other)
        log_ratio = _log_likelihood_ratio(flat, other, pose, sigma) + _log_prior_ratio(other, pose, prior)
        if delta @ np.linalg.solve(spread, delta) > 25.0 and log_ratio < AMBIGUOUS_LOG_RATIO:
            return True
    return False


def _log_likelihood_ratio(problem: Problem, other: Pose, pose: Pose, sigma: float) -> float:
    """Log likelihood of `pose` minus that of `other`."""
    costs = [huber_loss(problem.distances(p)[0] / sigma, HUBER_SIGMAS) @ problem.weights for p in (other, pose)]
    return float(costs[0] - costs[1])


def _log_prior_ratio(other: Pose, pose: Pose, prior: Factor | None) -> float:
    """Log prior density of `pose` minus that of `other`."""
    return prior.cost(other) - prior.cost(pose) if prior else 0.0

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robust start: a hypothesis of PoseLib's LO-RANSAC, and whether another pose is as good."""

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

SEED = 0  # the same matches, the same pose
MIN_ITERATIONS = 100
TAKEN_SIGMAS = 3.0  # of the noise that is taken for granted before it is known: the gate holds nearly all of it
RIVAL_MISSED = 0.05  # probability that a rival with the same support is not found
ELSEWHERE = 3.0  # gates by which a rival moves the inliers at the median; nearer it is the same pose, a little off
FLAT = 0.03  # thickness of a plane, as a share of its lesser extent
FALSE_ALARM = 1e-3  # expected number of poses that random matches would give
HUBER_SIGMAS = 1.5  # residuals beyond count linearly
STEPS = 10  # of the least squares, where a pose need not be exact
MINIMAL = 4  # matches: three give up to four poses, and one more chooses
LUCK = 3  # matches that any hypothesis is made of, and as many that a local optimum draws in
INDISTINGUISHABLE = 3.0  # log likelihood ratio: the worse of two poses has at least 5 % of the probability


def robust_start(problem: Problem, settings: PnpSettings, prior: Factor | None) -> tuple[Pose, int]:
    """T_camera_map of most support, and how many hypotheses were tried; raises NoPoseError where there is none.

    A prior adds two hypotheses, itself and the best of the matches that it allows; each then moves to where matches and
    prior agree best before they are compared.
    """
    options = {"min_iterations": min(settings.iterations, MIN_ITERATIONS), "success_prob": settings.confidence}
    best, tried = _ransac(problem, settings.iterations, options)
    if prior:
        guided, _ = _ransac(_allowed(problem, prior), settings.iterations, options)
        settled = [_settled(problem, pose, prior) for pose in (prior.mean, guided, best) if pose]
        best = max(settled, key=lambda pose: _score(problem, pose, prior))
    if best is None:
        raise NoPoseError(Status.NO_CONSENSUS, f"no pose agrees with any of {len(problem.uv)} matches")
    return best, tried


def by_chance(problem: Problem, area: int, tried: int) -> int:
    """The support that none of `tried` poses has by chance: matches strewn over area (px^2) of the image.

    By Chernoff's bound on a binomial tail, n KL(k / n, p) >= log(tried / FALSE_ALARM); an a contrario test (Moisan &
    Stival 2004).
    """
    n, p = len(problem.uv), min(np.pi * problem.gate**2 / area, 0.5)
    k = np.arange(1, n)[np.arange(1, n) > n * p] / n
    divergence = k * np.log(k / p) + (1.0 - k) * np.log((1.0 - k) / (1.0 - p))
    enough = np.flatnonzero(n * divergence >= np.log(max(tried, 1) / FALSE_ALARM))
    return 2 * LUCK + (round(k[enough[0]] * n) if len(enough) else n)


def rival_support(
    problem: Problem, pose: Pose, inliers: Mask, spread: Array, sigma: float, tried: int, prior: Factor | None
) -> float:
    """The support of the best other pose, as a share of that of pose: 0 where none was found, 1 where nothing tells.

    Other poses are looked for among the matches beyond the gate, as long as a rival of equal support needs to be found,
    but never longer than the start took; and where all inliers lie in a plane, in its mirror pose. A pose that the
    prior finds much less probable is no rival.
    """
    near = problem.distances(pose)[0] <= problem.gate
    support, rest = int(near.sum()), int((~near).sum())
    if _mirrored(problem.selected(inliers), pose, spread, sigma, prior):
        return 1.0
    if rest < support / 2:
        return 0.0
    chance = min(support / rest, 0.999) ** 3  # that three matches of the rest are right for an equal rival
    needed = int(np.ceil(np.log(RIVAL_MISSED) / np.log1p(-chance)))
    other, _ = _ransac(problem.selected(~near), min(needed, max(tried, MIN_ITERATIONS)), {"min_iterations": 1})
    if other is None or _less_known(other, pose, prior) > INDISTINGUISHABLE:
        return 0.0
    distance, agree = problem.agreeing(other)
    if np.median(distance[near]) < ELSEWHERE * problem.gate:
        return 0.0
    return float(agree.sum() / support)


def _allowed(problem: Problem, prior: Factor) -> Problem:
    """The matches within the gate of a pose that the prior allows."""
    j = jacobian(prior.mean, problem.points, problem.focal)
    variance = np.einsum("mik,mik->m", j, j @ np.linalg.inv(prior.information))
    distance, in_front = problem.distances(prior.mean)
    return problem.selected((distance <= problem.gate + TAKEN_SIGMAS * np.sqrt(variance)) & in_front)


def _ransac(problem: Problem, iterations: int, options: dict[str, Any]) -> tuple[Pose | None, int]:
    """PoseLib's answer, none where it is not finite, and the hypotheses that it took."""
    if len(problem.uv) < MINIMAL:
        return None, 0
    fx, fy = problem.focal
    pinhole = {"model": "PINHOLE", "width": 1, "height": 1, "params": [fx, fy, 0.0, 0.0]}
    stop = {"max_iterations": iterations, "dyn_num_trials_mult": 1.0, "max_reproj_error": problem.gate, "seed": SEED}
    found, info = poselib.estimate_absolute_pose(problem.uv, problem.points, pinhole, {**stop, **options}, {})
    finite = np.isfinite(found.R).all() and np.isfinite(found.t).all()
    return (Pose(found.R, found.t) if finite else None), int(info.get("iterations", iterations))


def _settled(problem: Problem, pose: Pose, prior: Factor) -> Pose:
    """The least-squares pose of the prior and the matches near pose."""
    few = problem.selected(problem.agreeing(pose)[1])
    sigma = problem.gate / TAKEN_SIGMAS
    factor = prior.beside(few.weights, sigma)
    return refine(pose, few.uv, few.points, few.weights, few.focal, HUBER_SIGMAS * sigma, STEPS, factor)[0]


def _score(problem: Problem, pose: Pose, prior: Factor) -> float:
    """Log probability up to a constant: truncated squares of the matches, and the prior."""
    distance, in_front = problem.distances(pose)
    sigma = problem.gate / TAKEN_SIGMAS
    near = np.where(in_front, np.maximum(problem.gate**2 - distance**2, 0.0), 0.0)
    return float(near.sum()) / (2.0 * sigma**2) - prior.cost(pose)


def _mirrored(flat: Problem, pose: Pose, spread: Array, sigma: float, prior: Factor | None) -> bool:
    """Whether points in a plane have a second pose that explains their pixels as well (Collins & Bartoli 2014)."""
    centre = flat.points.mean(axis=0)
    around = flat.points - centre
    squares, axes = np.linalg.eigh(around.T @ around)  # ascending
    if squares[0] > FLAT**2 * squares[1]:
        return False
    on_plane = flat.points - np.outer(around @ axes[:, 0], axes[:, 0])
    n, turns, shifts, _ = cv2.solvePnPGeneric(on_plane, flat.uv / flat.focal, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    for k in range(n):
        start = Pose.from_rotvec(turns[k].ravel(), shifts[k].ravel())
        if np.median(flat.distances(start)[0]) > flat.gate:
            continue  # no rival, and not worth a refinement
        other, _ = refine(start, flat.uv, flat.points, flat.weights, flat.focal, sigma, STEPS)
        delta = pose.local(other)
        worse_by = _worse_by(flat, other, pose, sigma) + _less_known(other, pose, prior)
        if delta @ np.linalg.solve(spread, delta) > 25.0 and worse_by < INDISTINGUISHABLE:
            return True
    return False


def _worse_by(problem: Problem, other: Pose, pose: Pose, sigma: float) -> float:
    """Log likelihood of pose over that of other."""
    costs = [huber_loss(problem.distances(p)[0] / sigma, HUBER_SIGMAS) @ problem.weights for p in (other, pose)]
    return float(costs[0] - costs[1])


def _less_known(other: Pose, pose: Pose, prior: Factor | None) -> float:
    """Log prior probability of pose over that of other."""
    return prior.cost(other) - prior.cost(pose) if prior else 0.0

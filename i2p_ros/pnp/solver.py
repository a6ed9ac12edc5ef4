# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perspective-n-point: T_camera_lidar of pixel-to-point matches, most of which may be wrong.

`unjudged` is the method, one line per step. A step that finds no pose raises `NoPoseError`, which `solve` turns into a
status. No other pose is ever returned in place of a missing one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i2p_ros.core.camera import MIN_DEPTH, Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Correspondences, Evidence, PoseEstimate, Prior, Status
from i2p_ros.pnp import covariance, noise, posterior
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.limits import judged, refuse_weak, withheld
from i2p_ros.pnp.problem import Mask, NoPoseError, Problem, centred, problem_of, usable_matches
from i2p_ros.pnp.refine import Factor, huber_loss, jacobian, refine
from i2p_ros.pnp.start import HUBER_SIGMAS, chance_support, rival_support, robust_start

GATE_SIGMAS = 3.0  # keeps 98.9 % of errors that are Gaussian on two axes
GATE_RANGE = (0.25, 2.0)  # bounds of the gate that follows from the noise, to the first gate
MAX_RING = 0.25  # most matches just beyond the gate, to the inliers; a Student-t with 2 degrees of freedom has 0.13
FEW_INLIERS = 50  # with fewer the cost is not quadratic, and the covariance is that of samples
MIN_ESS = 50.0  # effective sample size below which moments are not used
MIN_REDUCTION = 1e-3  # share of the prior's variance that the matches must remove for a direction to be tested
CONTRADICTION = 27.9  # squared Mahalanobis distance from the prior that 1 of 10,000 right poses exceeds: chi2(6)


def solve(
    matches: Correspondences, camera: Camera, settings: PnpSettings | None = None, prior: Prior | None = None
) -> PoseEstimate:
    """T_camera_lidar of matches, with covariance, inliers and residual (px of the original image), or a status.

    Weights are relative: they say how far to trust a match, not how large its error is. A prior is one more hypothesis
    and a factor in the least squares. Matches that contradict it give the status UNCERTAIN. The confidence follows from
    matches alone, without a model's calibration. The result is deterministic.
    """
    settings = settings or PnpSettings()
    try:
        return judged(unjudged(matches, camera, settings, prior), settings, Calibration())
    except NoPoseError as none:
        alone = solve(matches, camera, settings) if prior else None
        if alone and alone.pose:
            return withheld(alone, f"the matches contradict the prior: without it they have a pose, with it {none}")
        return PoseEstimate(none.status, str(none), correspondences=matches)
    except (InputError, np.linalg.LinAlgError) as error:  # overflow, or a singular matrix
        return PoseEstimate(Status.NONFINITE, f"the solver broke down: {error}", correspondences=matches)


def unjudged(matches: Correspondences, camera: Camera, settings: PnpSettings, prior: Prior | None) -> PoseEstimate:
    """As `solve`, without the limits on rival and confidence. Raises NoPoseError where there is no pose."""
    usable = usable_matches(matches, camera, settings)
    problem = problem_of(matches.selected(usable), camera, settings.threshold_deg)
    start, tried = robust_start(problem, settings, _prior_factor(problem, prior))
    problem, pose = centred(problem, start)
    factor = _prior_factor(problem, prior)
    needed = max(settings.min_inliers, chance_support(problem, camera.width * camera.height, tried))
    inliers = _inliers(problem, pose, needed)
    pose, sigma = _refined(problem, pose, inliers, settings, factor)
    low, high = GATE_RANGE
    narrowed = replace(problem, gate=min(max(GATE_SIGMAS * sigma, low * problem.gate), high * problem.gate))
    inliers = _inliers(narrowed, pose, needed)
    pose, sigma = _refined(narrowed, pose, inliers, settings, factor)
    inliers = _inliers(narrowed, pose, needed)
    _refuse_dense_ring(narrowed, pose, inliers, camera.width * camera.height)
    spread = _checked_covariance(narrowed, pose, inliers, sigma, settings, factor)
    rival = rival_support(problem, pose, inliers, spread, sigma, tried, factor)
    return _estimate(matches, usable, narrowed, pose, inliers, spread, rival)


def _prior_factor(problem: Problem, prior: Prior | None) -> Factor | None:
    """The prior as a factor on T_camera_map."""
    if prior is None:
        return None
    spread = covariance.with_origin(prior.covariance, prior.pose, -problem.origin)
    return Factor(problem.in_map(prior.pose), np.linalg.inv(spread).astype(np.float64))


def _inliers(problem: Problem, pose: Pose, needed: int) -> Mask:
    """Mask (M,) of the matches within the gate and in front of the camera. Raises NoPoseError where they are fewer than
    `needed`."""
    distance, in_front = problem.distances(pose)
    near = distance <= problem.gate
    behind = int((near & ~in_front).sum())
    if behind >= needed:
        raise NoPoseError(Status.BEHIND_CAMERA, f"{behind} agreeing points lie behind the camera")
    inliers: Mask = near & in_front
    distinct = len({point.tobytes() for point in problem.points[inliers]})  # copies of a match are no evidence
    if distinct < needed:
        agree = f"{distinct} distinct points of {len(distance)} matches agree within {problem.gate:.1f} px"
        raise NoPoseError(Status.NO_CONSENSUS, f"{agree}; at least {needed} must (pnp.min_inliers, or more by chance)")
    return inliers


def _refined(
    problem: Problem, start: Pose, inliers: Mask, settings: PnpSettings, factor: Factor | None
) -> tuple[Pose, float]:
    """Least-squares pose of the inliers, and their noise about it, px per image axis."""
    few = problem.selected(inliers)
    sigma = noise.axis_sigma(few.distances(start)[0], problem.gate)
    prior = factor.scaled_to(few.weights, sigma) if factor else None
    pose, converged = refine(
        start, few.uv, few.points, few.weights, few.focal, HUBER_SIGMAS * sigma, settings.refine_iterations, prior
    )
    if not converged:
        raise NoPoseError(Status.NOT_CONVERGED, f"no least-squares pose after {settings.refine_iterations} steps")
    return pose, noise.axis_sigma(few.distances(pose)[0], problem.gate)


def _refuse_dense_ring(problem: Problem, pose: Pose, inliers: Mask, area: int) -> None:
    """Raises NoPoseError where many matches lie between one and two gates, beyond the number that chance explains.

    The gate is at 3 sigma, so matches of a right pose thin out there. Those of a pose that fits only one layer of the
    scene, or an inverted relief, do not.
    """
    distance, in_front = problem.distances(pose)
    ring = int((in_front & (distance > problem.gate) & (distance <= 2.0 * problem.gate)).sum())
    chance = len(distance) * 3.0 * np.pi * problem.gate**2 / area
    if ring - chance > MAX_RING * inliers.sum():
        agree = f"{inliers.sum()} matches agree within {problem.gate:.1f} px, but {ring} more within twice that"
        raise NoPoseError(Status.UNCERTAIN, f"{agree}: the pose fits a part of a larger misfit")


def _checked_covariance(
    problem: Problem, pose: Pose, inliers: Mask, sigma: float, settings: PnpSettings, factor: Factor | None
) -> Array:
    """Covariance (6, 6) of the pose. Raises NoPoseError with the names of the axes that are not or weakly constrained,
    or where the matches contradict the prior."""
    few = problem.selected(inliers)
    j = jacobian(pose, few.points, few.focal)
    if not factor and (names := covariance.unobservable_axes(j, few.weights)):
        raise NoPoseError(Status.DEGENERATE, f"the matches do not fix {', '.join(names)} of the camera")
    variance = noise.estimator_variance(few.distances(pose)[0], sigma, HUBER_SIGMAS * sigma, problem.gate)
    spread = covariance.of_least_squares(j, few.weights, variance, factor.information if factor else None)
    if factor and (apart := _innovation(factor, pose, spread)) > CONTRADICTION:
        raise NoPoseError(Status.UNCERTAIN, f"it is {np.sqrt(apart):.1f} standard deviations from their pose")
    if len(few.uv) < FEW_INLIERS and not factor:
        spread = _widened_by_samples(few, pose, spread, sigma)
    refuse_weak(spread, settings)
    return spread


def _innovation(prior: Factor, pose: Pose, spread: Array) -> float:
    """Squared Mahalanobis distance between the prior and the pose of the matches alone, from the pose of both.

    It is d^T (S_prior - S_both)^-1 d with d from the prior to the pose of both, in the directions that the matches
    constrain. For Gaussians this equals the test of a Kalman filter's innovation (Bar-Shalom et al. 2001, sec. 5.4).
    """
    root = np.linalg.cholesky(prior.information)
    reduction, axes = np.linalg.eigh(np.eye(6) - root.T @ spread @ root)
    moved = axes.T @ root.T @ prior.mean.local(pose)
    informed = reduction > MIN_REDUCTION
    return float(np.sum(moved[informed] ** 2 / reduction[informed]))


def _widened_by_samples(few: Problem, pose: Pose, spread: Array, sigma: float) -> Array:
    """Covariance with each deviation at least that of samples, unless the effective sample size is small."""
    found = reprojection_posterior(few, pose, spread, sigma)
    if found.ess < MIN_ESS:
        return spread
    ratio = np.sqrt(np.maximum(np.diag(found.covariance) / np.diag(spread), 1.0))
    return np.asarray(spread * np.outer(ratio, ratio))


def posterior_of(estimate: PoseEstimate, camera: Camera) -> posterior.Posterior:
    """Moments of the delta of an estimate's pose about its camera, by sampling with the cost of its inliers.

    Raises InputError for an estimate without a pose.
    """
    if estimate.pose is None or estimate.covariance is None or estimate.correspondences is None:
        raise InputError(f"there is no pose to sample about: {estimate.status.value}", "posterior")
    T, inliers = estimate.pose, np.asarray(estimate.inliers)
    matches = estimate.correspondences.selected(inliers)
    problem = problem_of(matches, camera, PnpSettings().threshold_deg)
    problem, pose = centred(problem, problem.in_map(T))
    guess = covariance.with_origin(estimate.covariance, T, -T.inverse().translation)
    return reprojection_posterior(problem, pose, guess, estimate.residual_px / np.sqrt(2.0))


def reprojection_posterior(problem: Problem, pose: Pose, guess: Array, sigma: float) -> posterior.Posterior:
    """Moments of the delta of `pose`, by the weighted Huber cost of all matches with noise sigma (px)."""

    def log_likelihood(rotations: Array, translations: Array) -> Array:
        x, y, z = np.moveaxis((problem.points @ pose.rotation.T) @ rotations.transpose(0, 2, 1), -1, 0)
        t = (pose.translation + translations)[:, :, None]
        x, y, z = x + t[:, 0], y + t[:, 1], np.maximum(z + t[:, 2], MIN_DEPTH)
        u, v = problem.focal[0] * x / z - problem.uv[:, 0], problem.focal[1] * y / z - problem.uv[:, 1]
        return np.asarray(-huber_loss(np.hypot(u, v) / sigma, HUBER_SIGMAS) @ problem.weights)

    return posterior.sample(log_likelihood, guess)


def _estimate(
    matches: Correspondences, usable: Mask, problem: Problem, T_camera_map: Pose, inliers: Mask, spread: Array,
    rival: float,
) -> PoseEstimate:  # fmt: skip
    """Estimate of T_camera_lidar, with its inliers as a mask over all matches."""
    among_all = np.zeros(len(matches), bool)
    among_all[np.flatnonzero(usable)[inliers]] = True
    std_m = float(np.sqrt(np.linalg.eigvalsh(spread[:3, :3])[-1]))
    evidence = Evidence(inliers=int(inliers.sum()), matches=len(matches), rival=rival, std_m=std_m)
    return PoseEstimate(
        Status.OK,
        pose=problem.in_lidar(T_camera_map),
        covariance=covariance.with_origin(spread, T_camera_map, problem.origin),
        correspondences=matches,
        inliers=among_all,
        residual_px=float(np.sqrt(np.mean(problem.distances(T_camera_map)[0][inliers] ** 2))),
        confidence=Calibration().confidence(evidence),
        evidence=evidence,
    )

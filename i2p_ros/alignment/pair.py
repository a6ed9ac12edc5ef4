# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refinement of the pose of one pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.objective import Objective, distinct
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.patches import seen_from
from i2p_ros.alignment.pyramid import ImagePyramid
from i2p_ros.alignment.signals import PointsInView
from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair, RefinementEvidence

NATS_PER_MEASUREMENT = 40.0  # points are not independent: so many nats count as one of the log likelihood
COARSE_SHARE = 0.25  # of the points: those that coarse levels are searched with
N_PER_SEED = 20  # drifts that are drawn about each of the best so far, as many in all as from the prior
SEED_STDS = (0.5, 0.25)  # spread of the drifts about a seed, as a share of the prior's
N_PER_START = 64  # drifts of which one ascends on the coarsest level
STEPS_PER_LEVEL = 4
N_FOLLOWED = 6  # local maxima that are kept after each level; twice as many after the coarsest
N_REFERENCE = 48  # drawn drifts that the standout is relative to
STEEPNESS_STDS, MIN_STEEPNESS = np.sqrt(8.0), 0.05  # deviations at which a fall is measured; see `_steepness`
HIDING_COLUMNS = 64  # cells across the image, in each of which the nearest points hide others
MIN_SEPARATION = 3.0  # standard deviations between two local maxima that count as two


@dataclass(frozen=True, slots=True, eq=False)
class RefinedPose:
    """`pose` is T_camera_lidar. `covariance` (6, 6) is of its delta about the camera, along camera axes, m and rad."""

    pose: Pose
    covariance: Array
    evidence: RefinementEvidence


def refine_pair(
    pair: Pair, pyramid: ImagePyramid, pose: Pose, spread: Array, settings: RefinementSettings, both: Both = in_turn,
    hides: bool = False,
) -> RefinedPose | None:  # fmt: skip
    """The pose of largest posterior near T_camera_lidar `pose`; None where there is no signal to compare.

    The prior of the delta about the camera is a Gaussian with the covariance `spread` (6, 6), m and rad, along camera
    axes. The log likelihood is the mutual information, divided by NATS_PER_MEASUREMENT.

    Drifts are drawn from the prior, then about the best of these, closer and closer. The best of all ascend on finer
    and finer levels. All but the finest are searched with a part of the points. With `hides` points that others hide
    from the pose are left out.
    """
    points = seen_from(pair.cloud, pose, pyramid.camera, settings, about_camera=True)
    points = points.unhidden(pyramid.camera.width / HIDING_COLUMNS) if hides else points
    signals, few = (sampled_signals(points, settings, share, pyramid) for share in (1.0, COARSE_SHARE))
    if signals.is_empty or few.is_empty:
        return None
    prior = np.asarray(NATS_PER_MEASUREMENT * np.linalg.inv(spread), np.float64)
    (*coarse, finest) = searched_levels(pyramid, settings.min_width)
    share = len(few.cloud) / len(signals.cloud)
    coarse_to_fine = [Objective([few], share * prior, level, both) for level in coarse] + [
        Objective([signals], prior, finest, both)
    ]
    rng, root = np.random.default_rng(0), np.asarray(np.linalg.cholesky(spread).T, np.float64)
    drawn = np.vstack([np.zeros(6), rng.standard_normal((settings.drifts, 6)) @ root])
    maxima = _drawn_starts(coarse_to_fine[0], drawn, root, rng)
    most = 2 * N_FOLLOWED
    for objective in coarse_to_fine[:-1]:
        maxima = objective.best(distinct(objective.ascended(maxima, STEPS_PER_LEVEL)), most)
        most = N_FOLLOWED
    at_last = coarse_to_fine[-1]
    best = at_last.ascend(at_last.best(maxima)[0], settings.iterations)
    refined = Pose.identity().retract(best) @ pose
    terms = at_last.terms(best)
    precision = (terms.curvature + prior) / NATS_PER_MEASUREMENT
    deviations, steepness = _steepness(at_last, best, precision)
    covariance = _covariance(at_last, best, maxima, precision, (deviations.T / steepness) @ deviations)
    evidence = RefinementEvidence(
        standout=_standout(at_last, best, drawn[:N_REFERENCE]),
        steepness=float(np.exp(np.log(steepness).mean())),
        moved=float(np.sqrt(best @ np.linalg.solve(spread, best))),
        information=float(terms.information.sum()),
        points=len(signals.cloud),
        std_m=float(np.sqrt(np.trace(covariance[:3, :3]))),
    )
    return RefinedPose(refined, covariance, evidence)


def sampled_signals(
    points: PointsInView, settings: RefinementSettings, share: float, pyramid: ImagePyramid
) -> PairSignals:
    """The signals of a share of the points."""
    numbers = {
        "max_points": round(share * settings.pair_points),
        "min_points": max(8, round(share * settings.min_points)),
    }
    return PairSignals.of_points(points, settings.model_copy(update=numbers), pyramid)


def searched_levels(pyramid: ImagePyramid, min_width: int) -> list[int]:
    """The levels that are searched, the finest last."""
    wide = [level for level, image in enumerate(pyramid.levels) if image.shape[2] >= min_width]
    return wide[::-1] or [0]


def _drawn_starts(coarsest: Objective, drawn: Array, root: Array, rng: np.random.Generator) -> list[Array]:
    """The best of the drawn drifts (K, 6), and of others about the best of them."""
    number = len(drawn)
    for std in SEED_STDS:
        seeds = coarsest.raced(drawn, number // N_PER_SEED)
        about = np.repeat(seeds, N_PER_SEED, axis=0)
        drawn = np.vstack([*seeds, about + std * rng.standard_normal(about.shape) @ root])
    return coarsest.raced(drawn, number // N_PER_START)


def _standout(finest: Objective, best: Array, reference: Array) -> float:
    """See `RefinementEvidence`. The reference is drawn from the prior. A deviation of less than 1 nat counts as 1."""
    nats = finest.information(np.vstack([best, reference]))
    return float((nats[0] - nats[1:].mean()) / max(nats[1:].std(), 1.0))


def _steepness(finest: Objective, best: Array, precision: Array) -> tuple[Array, Array]:
    """Deviations (6, 6) along the eigenvectors of the precision, as rows, and the steepness (6,) along each.

    The steepness is the fall of the objective STEEPNESS_STDS deviations to the side where it falls less, as a share of
    that of a parabola, from MIN_STEEPNESS to 1. The Gauss-Newton curvature is too large where a cloud explains an image
    badly: the fall is then smaller than it says, and errors are larger.
    """
    values, vectors = np.linalg.eigh(precision)
    deviations = (vectors / np.sqrt(values)).T
    steps = STEEPNESS_STDS * deviations
    at = finest.values(np.vstack([best, best + steps, best - steps]))
    falls = at[0] - np.maximum(at[1:7], at[7:])
    return deviations, np.clip(falls / (0.5 * STEEPNESS_STDS**2 * NATS_PER_MEASUREMENT), MIN_STEEPNESS, 1.0)


def _covariance(finest: Objective, best: Array, maxima: list[Array], precision: Array, covariance: Array) -> Array:
    """(6, 6) second moment about the best drift of a mixture of Gaussians, one at each separate local maximum.

    Each has the same `covariance`, and a weight by the posterior of its maximum. So the covariance is wide where
    several poses explain the image about as well.
    """
    offsets = np.array([drift - best for drift in maxima])
    separate = np.einsum("ki,ij,kj->k", offsets, precision, offsets) > MIN_SEPARATION**2
    offsets = np.vstack([np.zeros(6), offsets[separate]])
    log_posterior = finest.values(best + offsets) / NATS_PER_MEASUREMENT
    weights = np.exp(np.minimum(log_posterior - log_posterior[0], 0.0))
    return np.asarray(covariance + np.einsum("k,ki,kj->ij", weights / weights.sum(), offsets, offsets))

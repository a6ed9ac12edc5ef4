# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Moments of a pose's posterior by adaptive multiple importance sampling (Cornuet et al. 2012), as in EPro-PnP.

EPro-PnP has separate proposals for translation and rotation. Here the proposal is one 6-D Student-t over both, with the
origin at the camera. The two are strongly correlated, and separate proposals leave a few samples with all the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Array, so3_exp_many

ROUNDS, SAMPLES_PER_ROUND = 4, 128
DOF = 5  # degrees of freedom of the proposal: its tails must be heavier than those of the posterior
FIRST_SCALE = 1.5  # factor of the initial covariance in the first proposal
CLIPPED_WEIGHTS = 16  # samples that share the largest weight when the proposal is refitted
MIN_STD_RATIO = 1e-3  # least deviation to the initial one: a proposal refitted to a few samples must not collapse


@dataclass(frozen=True)
class Posterior:
    """Moments of a pose's delta (dt, theta) from a start: `mean` (6,) and `covariance` (6, 6) in m and rad."""

    mean: Array
    covariance: Array
    ess: float  # effective sample size, of ROUNDS * SAMPLES_PER_ROUND


def sample(
    log_likelihood: Callable[[Array, Array], Array], initial: Array, rounds: int = ROUNDS, min_ess: float = 0.0
) -> Posterior:
    """Moments of the density exp(log_likelihood) over the deltas (dt, theta) of `Pose.retract`. Deterministic.

    `log_likelihood` takes rotations (K, 3, 3), which are applied on the left of the start's rotation, and translations
    dt (K, 3). It returns (K,). `initial` (6, 6) is a rough covariance, which only shapes the proposals. After `rounds`
    rounds as many more may follow, until the effective sample size is `min_ess`.
    """
    rng = np.random.default_rng(0)
    mean, scale = np.zeros(6), _root(FIRST_SCALE * initial)
    floor = np.diag(MIN_STD_RATIO**2 * np.diag(initial))
    proposals: list[tuple[Array, Array]] = []
    deltas, values = np.empty((0, 6)), np.empty(0)
    weights = np.ones(1)
    while len(proposals) < rounds or (_effective_size(weights) < min_ess and len(proposals) < 2 * rounds):
        proposals.append((mean, scale))
        new = mean + _student_t(rng, SAMPLES_PER_ROUND) @ scale.T
        deltas = np.concatenate([deltas, new])
        values = np.concatenate([values, log_likelihood(so3_exp_many(new[:, 3:]), new[:, :3])])
        weights = _softmax(values - _log_mixture(deltas, proposals))
        clipped = _clipped(weights)
        mean = clipped @ deltas
        scale = _root(_moments(clipped, deltas - mean) + floor)
    mean = weights @ deltas
    return Posterior(mean, _moments(weights, deltas - mean) + floor, _effective_size(weights))


def _effective_size(weights: Array) -> float:
    return float(1.0 / np.square(weights).sum())


def _student_t(rng: np.random.Generator, n: int) -> Array:
    """Samples (n, 6) of the standard multivariate Student-t."""
    return np.asarray(rng.normal(size=(n, 6)) * np.sqrt(DOF / rng.chisquare(DOF, (n, 1))))


def _log_mixture(deltas: Array, proposals: list[tuple[Array, Array]]) -> Array:
    """Log density (K,), up to a constant, of the mixture of all proposals so far."""
    means, scales = (np.array(moment) for moment in zip(*proposals, strict=True))
    whitening = np.linalg.inv(scales)
    white = (deltas - means[:, None]) @ whitening.transpose(0, 2, 1)
    logs = -0.5 * (DOF + 6) * np.log1p(np.square(white).sum(axis=2) / DOF)
    logs += np.log(np.linalg.det(whitening))[:, None]
    return np.asarray(np.logaddexp.reduce(logs, axis=0))


def _root(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance), np.float64)


def _softmax(logs: Array) -> Array:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _clipped(weights: Array) -> Array:
    """Weights with the CLIPPED_WEIGHTS largest made equal (Koblents & Miguez 2015).

    After a proposal that is much too wide one or two samples have all the weight, and a refit to these would collapse.
    """
    limit = np.sort(weights)[-CLIPPED_WEIGHTS]
    clipped = np.minimum(weights, limit)
    return np.asarray(clipped / clipped.sum()) if limit > 0.0 else weights


def _moments(weights: Array, centred: Array) -> Array:
    """Weighted covariance (6, 6), corrected by at most a factor of two for few effective samples."""
    return np.asarray((weights[:, None] * centred).T @ centred / max(1.0 - np.square(weights).sum(), 0.5))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution of a pose by adaptive multiple importance sampling (Cornuet et al. 2012), as in EPro-PnP.

Unlike there the proposal is one 6-D Student-t over translation and rotation together, about an origin at the camera:
the two are strongly correlated, and separate proposals leave a few samples with all the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Array, so3_exp_many

ROUNDS, PER_ROUND = 4, 128
DOF = 5  # degrees of freedom of the proposal: heavier tails than what is sampled
WIDENED = 1.5  # scale of the first proposal to the covariance that is guessed
CLIPPED = 16  # samples that share the largest weight when the proposal is refitted
NARROWEST = 1e-3  # of the guessed deviations: a proposal refitted to a handful of samples must not collapse


@dataclass(frozen=True)
class Posterior:
    """Moments of a pose about a start: `mean` (6,) and `covariance` (6, 6) of its delta (m, rad), `ess` samples."""

    mean: Array
    covariance: Array
    ess: float  # effective sample size, of ROUNDS * PER_ROUND


def sample(
    log_likelihood: Callable[[Array, Array], Array], guess: Array, rounds: int = ROUNDS, enough: float = 0.0
) -> Posterior:
    """Moments of exp(log_likelihood) over the deltas (dt, theta) of `Pose.retract`; the same input, the same answer.

    log_likelihood takes rotations (K, 3, 3) on the left of the start's, and translations dt (K, 3), and gives (K,).
    guess (6, 6) is about its covariance and only steers the proposals. Up to twice as many rounds follow until `enough`
    samples are effective.
    """
    rng = np.random.default_rng(0)
    mean, scale = np.zeros(6), _root(WIDENED * guess)
    narrowest = np.diag(NARROWEST**2 * np.diag(guess))
    proposals: list[tuple[Array, Array]] = []
    deltas, values = np.empty((0, 6)), np.empty(0)
    weights = np.ones(1)
    while len(proposals) < rounds or (_effective(weights) < enough and len(proposals) < 2 * rounds):
        proposals.append((mean, scale))
        drawn = mean + _student(rng, PER_ROUND) @ scale.T
        deltas = np.concatenate([deltas, drawn])
        values = np.concatenate([values, log_likelihood(so3_exp_many(drawn[:, 3:]), drawn[:, :3])])
        weights = _softmax(values - _log_mixture(deltas, proposals))
        clipped = _clipped(weights)
        mean = clipped @ deltas
        scale = _root(_moments(clipped, deltas - mean) + narrowest)
    mean = weights @ deltas
    return Posterior(mean, _moments(weights, deltas - mean) + narrowest, _effective(weights))


def _effective(weights: Array) -> float:
    return float(1.0 / np.square(weights).sum())


def _student(rng: np.random.Generator, n: int) -> Array:
    """(n, 6) draws of the standard multivariate Student-t."""
    return np.asarray(rng.normal(size=(n, 6)) * np.sqrt(DOF / rng.chisquare(DOF, (n, 1))))


def _log_mixture(deltas: Array, proposals: list[tuple[Array, Array]]) -> Array:
    """(K,) log density, up to a constant, of the mixture of all proposals so far."""
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
    """The weights with the largest ones made equal: a guess too wide by far leaves all weight to a sample or two, and a
    proposal refitted to these would collapse (Koblents & Miguez 2015)."""
    limit = np.sort(weights)[-CLIPPED]
    clipped = np.minimum(weights, limit)
    return np.asarray(clipped / clipped.sum()) if limit > 0.0 else weights


def _moments(weights: Array, centred: Array) -> Array:
    """(6, 6) weighted covariance, for few effective samples corrected as far as twofold."""
    return np.asarray((weights[:, None] * centred).T @ centred / max(1.0 - np.square(weights).sum(), 0.5))

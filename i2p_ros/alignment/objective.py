# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What alignment maximizes: the mutual information of pairs plus a Gaussian log prior on the drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from i2p_ros.alignment.mutual_information import ALL, InformationTerms, information, information_terms
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Array

DAMPING, DAMPING_DECREASE, DAMPING_INCREASE, MAX_DAMPING = 1e-2, 0.2, 8.0, 1e4  # of Levenberg-Marquardt
MIN_GAIN = 0.5  # nats: a smaller gain ends an ascent
RACE_LEGS, RACE_LEFT = 5, 0.5  # see `Objective.raced`
DIAGONAL = np.diag_indices(6)
SAME_DRIFT = np.repeat([0.02, np.radians(0.2)], 3)  # m, rad


@dataclass(frozen=True, eq=False)
class Objective:
    """Log posterior of a drift (6,) that all `pairs` share, up to a constant, on one `level` of their pyramids.

    The mutual information stands for the log likelihood. The prior is a Gaussian about no drift, and `prior` (6, 6) is
    its information matrix, the inverse of its covariance. `both` may evaluate two halves of several drifts in parallel.
    """

    pairs: Sequence[PairSignals]
    prior: Array
    level: int
    both: Both = in_turn

    def terms(self, drift: Array) -> InformationTerms:
        """Mutual information of all pairs at a drift, with derivatives and without the prior."""
        return InformationTerms.joined([information_terms(pair, drift, self.level) for pair in self.pairs])

    def information(self, drifts: Array, patches: slice = ALL) -> Array:
        """(K,) mutual information of all pairs, or of some of their patches, at K drifts (K, 6), nats."""

        def of(part: Array) -> Array:
            return np.sum([information(pair, part, self.level, patches).sum(axis=1) for pair in self.pairs], axis=0)

        return np.concatenate(self.both(*(partial(of, half) for half in np.array_split(drifts, 2))))

    def values(self, drifts: Array) -> Array:
        """(K,) objective at K drifts (K, 6), nats."""
        return self.information(drifts) - 0.5 * np.einsum("ki,ij,kj->k", drifts, self.prior, drifts)

    def best(self, drifts: Iterable[Array], most: int = 1) -> list[Array]:
        """The drifts with the largest objective, at most so many, the best first."""
        given = np.array([*drifts])
        return [*given[np.argsort(-self.values(given), kind="stable")[:most]]]

    def raced(self, drifts: Array, most: int) -> list[Array]:
        """About the drifts (K, 6) with the largest objective, at most so many, the best first.

        All are compared on the first of RACE_LEGS shares of the patches. After each share, the worse ones are left
        out: RACE_LEFT of them go on, but not fewer than `most`.
        """
        left, nats = np.arange(len(drifts)), np.zeros(len(drifts))
        log_prior = -0.5 * np.einsum("ki,ij,kj->k", drifts, self.prior, drifts)
        for leg in range(RACE_LEGS):
            nats[left] += self.information(drifts[left], slice(leg, None, RACE_LEGS))
            so_far = nats[left] * RACE_LEGS / (leg + 1) + log_prior[left]
            last = leg == RACE_LEGS - 1
            left = left[np.argsort(-so_far, kind="stable")[: most if last else max(most, round(RACE_LEFT * len(left)))]]
        return [*drifts[left]]

    def ascended(self, drifts: Sequence[Array], iterations: int) -> list[Array]:
        """The local maxima near drifts, as `ascend`."""
        one, other = (partial(self._each_ascended, half, iterations) for half in (drifts[::2], drifts[1::2]))
        maxima: list[Array] = [*drifts]
        maxima[::2], maxima[1::2] = self.both(one, other)
        return maxima

    def _each_ascended(self, drifts: Sequence[Array], iterations: int) -> list[Array]:
        return [self.ascend(drift, iterations) for drift in drifts]

    def ascend(self, drift: Array, iterations: int) -> Array:
        """The local maximum near a drift, after at most so many steps of Levenberg-Marquardt."""
        now, damping = self.terms(drift), DAMPING
        value = self._value(now, drift)
        for _ in range(iterations):
            curvature = now.curvature + self.prior
            gradient = now.gradient.sum(axis=0) - self.prior @ drift
            curvature[DIAGONAL] *= 1.0 + damping
            step = np.linalg.solve(curvature, gradient)
            new = self.terms(drift + step)
            gain = self._value(new, drift + step) - value
            if gain > 0:
                drift, now, value, damping = drift + step, new, value + gain, damping * DAMPING_DECREASE
            else:
                damping *= DAMPING_INCREASE
            if 0 < gain < MIN_GAIN or damping > MAX_DAMPING:
                break
        return drift

    def _value(self, terms: InformationTerms, drift: Array) -> float:
        return float(terms.information.sum() - 0.5 * drift @ self.prior @ drift)


def distinct(drifts: Iterable[Array]) -> list[Array]:
    """The drifts without those that differ from an earlier one by at most 2 cm and 0.2 deg on every axis."""
    kept: list[Array] = []
    for drift in drifts:
        if all((np.abs(drift - other) > SAME_DRIFT).any() for other in kept):
            kept.append(drift)
    return kept

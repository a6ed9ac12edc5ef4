# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The way up to where images and clouds say most of each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.signal import Frame, Terms, compared, information
from i2p_ros.core.geometry import Array

DAMPING, EASIER, HARDER, STUCK = 1e-2, 0.2, 8.0, 1e4  # of Levenberg and Marquardt
ENOUGH = 0.5  # nats: a smaller gain ends a climb
SAME = np.repeat([0.02, np.radians(0.2)], 3)  # m, rad


@dataclass(frozen=True, eq=False)
class Search:
    """What `frames` say of drifts from a nominal calibration with this `translation`, on one `level` of their images,
    beside what is expected: no drift, with the information `prior` (6, 6)."""

    frames: Sequence[Frame]
    translation: Array
    prior: Array
    level: int

    def terms(self, drift: Array) -> Terms:
        """Of all frames; see `compared`."""
        return Terms.joined([compared(frame, self.translation, drift, self.level) for frame in self.frames])

    def information(self, drifts: Array) -> Array:
        """(K,) nats of all frames."""
        return np.sum([information(f, self.translation, drifts, self.level).sum(axis=1) for f in self.frames], axis=0)

    def worth(self, drifts: Array) -> Array:
        """(K,) nats with those of the prior."""
        return self.information(drifts) - 0.5 * np.einsum("ki,ij,kj->k", drifts, self.prior, drifts)

    def best(self, drifts: Iterable[Array], most: int = 1) -> list[Array]:
        """Those that are worth most, the best first."""
        given = np.array([*drifts])
        return [*given[np.argsort(-self.worth(given), kind="stable")[:most]]]

    def climbed(self, drift: Array, iterations: int) -> Array:
        """The drift with most worth near a first one, by Levenberg and Marquardt."""
        now, damping = self.terms(drift), DAMPING
        for _ in range(iterations):
            curvature = now.curvature + self.prior
            uphill = now.gradient.sum(axis=0) - self.prior @ drift
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), uphill)
            new = self.terms(drift + step)
            gain = self._sum(new, drift + step) - self._sum(now, drift)
            if gain > 0:
                drift, now, damping = drift + step, new, damping * EASIER
            else:
                damping *= HARDER
            if 0 < gain < ENOUGH or damping > STUCK:
                break
        return drift

    def _sum(self, terms: Terms, drift: Array) -> float:
        return float(terms.information.sum() - 0.5 * drift @ self.prior @ drift)


def unlike(drifts: Iterable[Array]) -> list[Array]:
    """Those that are no repetition of one before: nearer than two centimetres and a fifth of a degree on every axis."""
    kept: list[Array] = []
    for drift in drifts:
        if all((np.abs(drift - one) > SAME).any() for one in kept):
            kept.append(drift)
    return kept

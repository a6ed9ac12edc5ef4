# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The newest drift estimates in information form, and weighted averages of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.window import Drift
from i2p_ros.core.drifts import INTERVAL
from i2p_ros.core.geometry import Array


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """Weighted average of estimates: `mean` (6,), `covariance` (6, 6) and bound (6,) of the `systematic` offset."""

    mean: Array
    covariance: Array
    systematic: Array

    @property
    def std(self) -> Array:
        """Standard deviations (6,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def z(self) -> Array:
        """Standard deviations (6,) by which the mean exceeds the systematic offset."""
        beyond = np.maximum(np.abs(self.mean) - self.systematic, 0.0)
        return np.asarray(beyond / self.std)

    @property
    def half(self) -> Array:
        """Half widths (6,) of the 95 % intervals."""
        return np.asarray(INTERVAL * self.std + self.systematic)


class Estimates:
    """The newest estimates in the order of time, `memory` of them at most.

    Each estimate d (6,) with covariance C (6, 6) has the information matrix inv(C) and the information vector inv(C) d.
    """

    def __init__(self, memory: int) -> None:
        self.drifts: deque[Drift] = deque(maxlen=memory)
        self._matrices: deque[Array] = deque(maxlen=memory)
        self._vectors: deque[Array] = deque(maxlen=memory)

    def __len__(self) -> int:
        return len(self.drifts)

    @property
    def matrices(self) -> Array:
        """Information matrices (n, 6, 6)."""
        return np.stack(self._matrices)

    @property
    def vectors(self) -> Array:
        """Information vectors (n, 6)."""
        return np.stack(self._vectors)

    @property
    def is_full(self) -> bool:
        """Whether the next estimate removes the oldest."""
        return len(self.drifts) == self.drifts.maxlen

    def add(self, drift: Drift) -> None:
        """Append an estimate."""
        matrix: Array = np.asarray(np.linalg.inv(drift.covariance), np.float64)
        self.drifts.append(drift)
        self._matrices.append(matrix)
        self._vectors.append(matrix @ drift.delta)

    def clear(self) -> None:
        """Remove all estimates."""
        for kept in (self.drifts, self._matrices, self._vectors):
            kept.clear()

    def mean_of_all(self) -> tuple[Array, Array]:
        """Weighted average (6,) of all estimates and its covariance (6, 6)."""
        matrix, vector = np.sum(self._matrices, axis=0), np.sum(self._vectors, axis=0)
        covariance = np.linalg.inv(matrix)
        return covariance @ vector, covariance

    def means_of_newest(self, counts: Array) -> tuple[Array, Array]:
        """Weighted averages (m, 6) of the newest estimates and covariances (m, 6, 6), for counts (m,) of estimates."""
        matrices = np.cumsum(self.matrices[::-1], axis=0)[counts - 1]
        vectors = np.cumsum(self.vectors[::-1], axis=0)[counts - 1]
        covariances = np.linalg.inv(matrices)
        return np.einsum("nij,nj->ni", covariances, vectors), covariances


def window_lengths(n: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... and n: the numbers of newest estimates that are averaged."""
    return sorted({m for k in range(n.bit_length()) for m in (2**k, 3 * 2**k) if m < n} | {n})

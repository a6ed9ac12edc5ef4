# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of weighted matches, and its posterior exp(-cost): what `probabilistic` has for training, of one problem.

The cost is the sum of the Huber losses of weighted distances (EPro-PnP, Chen et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.pnp.posterior import sample
from i2p_ros.pnp.weighted_kernels import costs, linearised

HUBER = 0.1  # limit of the loss, as a share of the deviation of the pixels times the mean weight
STEPS = 8  # of Levenberg-Marquardt from each start
SETTLED = 1e-3  # of the cost, which is a log likelihood; a step that gains less is the last one
WEAKEST_PRIOR_STD = (20.0, 20.0, 20.0, 1.0, 1.0, 1.0)  # m, rad: deviations of directions that no match constrains
MIN_ESS = 50.0  # effective samples below which the covariance is that of the linearised problem
FINEST_STD = np.array([1e-3] * 3 + [1e-5] * 3)  # m, rad: a covariance must be positive definite


@dataclass(frozen=True, eq=False)
class WeightedMatches:
    """Matches of pixels and points. `uv` (N, 2) are px from the principal point, `points` (N, 3) are in m, `weights`
    (N, 2) in 1/px, ideally inverse deviations, and `focal` (2,) in px. All are float64 in C order."""

    uv: Array
    points: Array
    weights: Array
    focal: Array

    @cached_property
    def limit(self) -> float:
        """Weighted distance up to which the cost is quadratic (adaptive Huber kernel of EPro-PnP)."""
        spread = np.sqrt(max(self.uv.var(axis=0).sum(), 1.0))
        return max(HUBER * float(self.weights.mean() * spread), 1e-9)

    def pose(self, starts: Sequence[Pose]) -> tuple[Pose, Array]:
        """Mean of the pose's posterior, and its covariance (6, 6) about the camera along its axes.

        The mode of least cost that is found from any of the starts is that of the posterior. The same matches always
        give the same answer.
        """
        mode, _ = min((self._descended(start) for start in starts), key=lambda found: found[1])
        points = mode.apply(self.points)
        information = self._linearised(mode)[0] + np.diag(np.array(WEAKEST_PRIOR_STD) ** -2)
        spread, limit = np.asarray(np.linalg.inv(information), np.float64), self.limit

        def log_likelihood(rotations: Array, translations: Array) -> Array:
            return -np.asarray(costs(points, self.uv, self.weights, self.focal, limit, rotations, translations))

        found = sample(log_likelihood, 0.5 * (spread + spread.T))
        mean, covariance = found.mean, found.covariance
        if found.ess < MIN_ESS:
            mean, covariance = np.zeros(6), spread
        pose = Pose(so3_exp(mean[3:]), mean[:3]) @ mode
        return pose, 0.5 * (covariance + covariance.T) + np.diag(FINEST_STD**2)

    def _descended(self, start: Pose) -> tuple[Pose, float]:
        """The pose of least cost, and its cost, by Levenberg-Marquardt. Steps that raise the cost are not taken."""
        pose, damping = start, 1e-4
        a, gradient, cost = self._linearised(pose)
        for _ in range(STEPS):
            step = np.asarray(-np.linalg.solve(a + np.diag(damping * np.diag(a) + 1e-9), gradient), np.float64)
            trial = Pose(so3_exp(step[3:]), step[:3]) @ pose
            found = self._linearised(trial)
            gain = cost - found[2]
            if gain >= 0.0:
                pose, (a, gradient, cost), damping = trial, found, max(0.1 * damping, 1e-9)
            else:
                damping *= 10.0
            if 0.0 <= gain <= SETTLED:
                break
        return pose, cost

    def _linearised(self, pose: Pose) -> tuple[Array, Array, float]:
        """Normal matrix (6, 6) and gradient (6,) by (dt, theta) of the camera at a pose, and the cost there."""
        a, gradient, cost = linearised(pose.apply(self.points), self.uv, self.weights, self.focal, self.limit)
        return a, gradient, float(cost)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last steady state of a series of estimates, and whether its drift began as a step or as a ramp.

All functions take the estimates in information form: matrices (n, 6, 6) and vectors (n, 6) in the order of time. The
`variance_factor` is that of averages over many estimates.
"""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import Array
from i2p_ros.monitor.verdict import Course

CUT_PENALTY = 20.0  # of chi squared with six degrees of freedom, which chance exceeds once in 360 times
COURSE_MARGIN = 6.0  # of chi squared, by which one course must fit better than the other to be named


def last_steady_state(matrices: Array, vectors: Array, variance_factor: float) -> int:
    """Number of estimates in the last steady state.

    The series is cut so that chi squared plus CUT_PENALTY for each cut is smallest (Jackson et al. 2005, An algorithm
    for optimal partitioning of data on an interval).
    """
    n = len(matrices)
    weights, pulls = (np.cumsum([np.zeros_like(v[0]), *v], axis=0) for v in (matrices, vectors))
    cheapest, begins = np.zeros(n + 1), np.zeros(n + 1, np.int64)
    for end in range(1, n + 1):
        weight, pull = weights[end] - weights[:end], pulls[end] - pulls[:end]
        explained = np.einsum("ki,ki->k", pull, np.linalg.solve(weight, pull[..., None])[..., 0])
        costs = cheapest[:end] - explained / variance_factor + CUT_PENALTY
        begins[end] = np.argmin(costs)
        cheapest[end] = costs[begins[end]]
    return n - int(begins[n])


def step_or_ramp(stamps: Array, matrices: Array, vectors: Array, variance_factor: float) -> tuple[Course, int]:
    """Course of a drift, and the index of the estimate at which it began.

    `stamps` (n,) are in ns. The vectors must be those of differences from the expected state. A step and a ramp are
    fitted from each estimate on. The one that explains more of chi squared is the course.
    """
    t = stamps * 1e-9
    later = t[None] - t[:, None]
    step = _explained((later >= 0.0).astype(float), matrices, vectors)
    ramp = _explained(np.maximum(later, 0.0), matrices, vectors)
    lead = (step.max() - ramp.max()) / variance_factor
    course = Course.STEP if lead > COURSE_MARGIN else Course.RAMP if lead < -COURSE_MARGIN else Course.UNDECIDED
    return course, int(np.argmax(ramp if course is Course.RAMP else step))


def _explained(shapes: Array, matrices: Array, vectors: Array) -> Array:
    """Decrease (K,) of chi squared when the estimates follow each of the shapes (K, n), at its best size."""
    left = np.einsum("kn,nij->kij", np.square(shapes), matrices)
    right = shapes @ vectors
    return np.einsum("ki,kij,kj->k", right, np.linalg.pinv(left, hermitian=True), right)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noise of the inliers, whose distances are truncated at a gate.

Errors are Gaussian with the same sigma on both image axes. Their lengths are then Rayleigh distributed, and truncated
at the gate c. With a = c^2 / (2 sigma^2) the share 1 - exp(-a) passes the gate.
"""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import Array
from i2p_ros.pnp.refine import huber_weights

A_RANGE = (0.3, 1e4)  # below: errors are uniform over the gate, sigma is undetermined; above: sigma < 0.7 % of the gate


def axis_sigma(distance: Array, gate: float) -> float:
    """Sigma per image axis (px), from the median m of residual lengths (M,) that passed the gate c.

    Solves 1 - exp(-a m^2 / c^2) = (1 - exp(-a)) / 2 for a by bisection: m is the median of a truncated Rayleigh
    variable.
    """
    share = float(np.median(distance) / gate) ** 2
    low, high = A_RANGE
    for _ in range(100):
        a = float(np.sqrt(low * high))
        if np.expm1(-a * share) < 0.5 * np.expm1(-a):
            high = a
        else:
            low = a
    return gate / float(np.sqrt(2.0 * high))


def estimator_variance(distance: Array, sigma: float, huber: float, gate: float) -> float:
    """Factor (px^2) of (J^T J)^-1 in the covariance of a gated Huber estimate, from residual lengths (M,) in the gate.

    It is E[psi^2] / E[psi']^2 per image axis (Huber 1981, ch. 6.3). E[psi^2] is the sample mean, which includes heavy
    tails. E[psi'] is that of Gaussian errors by Stein's identity E[psi r] / sigma^2, which includes the drop at the
    gate.
    """
    n = len(distance)
    variance = float(np.mean((huber_weights(distance, huber) * distance) ** 2)) / 2.0
    r = np.linspace(0.0, gate / sigma, 400)[1:]
    density = r * np.exp(-0.5 * r**2)
    slope = float(density @ (np.minimum(r, huber / sigma) * r) / density.sum()) / 2.0
    return variance / slope**2 * n / max(n - 3.0, 1.0)  # 2 n residuals, less 6 for the pose

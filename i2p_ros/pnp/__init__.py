# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perspective-n-point: matches in, a pose with its covariance out, or the reason why there is no pose."""

from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.pnp.solver import posterior_of, solve

__all__ = ["Calibration", "NoPoseError", "posterior_of", "solve"]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From matches to a pose with a covariance, or to a named reason why there is none."""

from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.pnp.solver import posterior_of, solve

__all__ = ["Calibration", "NoPoseError", "posterior_of", "solve"]

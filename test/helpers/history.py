# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records of a history."""

import numpy as np

from i2p_ros.alignment.window import Drift
from i2p_ros.core.drifts import Level
from i2p_ros.monitor.history import MonitoredRig
from i2p_ros.monitor.verdict import Verdict

RIG = MonitoredRig("car", "front", "roof")


def drift(k: int) -> Drift:
    return Drift(k, np.full(6, k * 1e-6), np.eye(6), 1.0, 0.0, 5)


def verdict(k: int) -> Verdict:
    wide = np.full(6, np.inf)
    return Verdict(k, Level.UNSURE, np.zeros(6), wide, wide, (False,) * 6)

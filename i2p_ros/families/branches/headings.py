# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution of headings from the outputs of a network."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import Pose
from i2p_ros.core.headings import Headings
from i2p_ros.networks.base import Tensors


def headings_of(outputs: Tensors, T_input_lidar: Pose) -> Headings | None:
    """Shares of headings about the up axis of the frame `input`; none from a network without them."""
    if "headings" not in outputs:
        return None
    return Headings(outputs["headings"][0].double().softmax(0).cpu().numpy().astype(np.float64), T_input_lidar)

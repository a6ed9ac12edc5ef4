# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the Diff2I2P network to tuned matches in pixels of the original image."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences
from i2p_ros.families.branches.inputs import original_pixels
from i2p_ros.networks.base import Tensors


def tuned_matches(outputs: Tensors, T_input_lidar: Pose, camera: Camera, network_camera: Camera) -> Correspondences:
    """Matches: pixels of the original `camera`, points of the lidar frame, and similarities as weights.

    The outputs have points of the frame `input` and pixels x, y of the `network_camera`. Matches where the lens sees
    nothing are left out.
    """
    pixels, points, weights = (outputs[name][0].cpu().double().numpy() for name in ("pixels", "points", "weights"))
    original = original_pixels(pixels, network_camera.width, network_camera.height, camera)
    matches = Correspondences(original, T_input_lidar.inverse().apply(points), weights)
    return matches.selected((weights > 0.0) & np.isfinite(original).all(axis=1))

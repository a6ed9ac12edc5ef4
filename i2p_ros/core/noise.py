# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pair of noise, for first runs and exports."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.types import Pair, PointCloud


def noise_pair(width: int, height: int) -> Pair:
    """A pair of noise that has all that a family may need."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-30, -30, -2], [30, 30, 5], (20000, 3)).astype(np.float32)
    image = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    camera = Camera(0.6 * width, 0.6 * width, width / 2, height / 2, width, height)
    intensity, time = rng.random((2, len(xyz)), np.float32)
    return Pair(image, camera, PointCloud(xyz, intensity, 0.1 * time))

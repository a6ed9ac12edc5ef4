# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A structured-light depth camera: what its disparity resolves, its noise, and its holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array

BASELINE = 0.075  # m between projector and camera of a Kinect
DISPARITY_STEP = 0.125  # px, the resolution of its disparity (Khoshelham & Elberink 2012, section 4)
DISPARITY_STD = 0.06  # px, of the noise: 5 mm at 2 m and 22 mm at 4 m
PATCH = 3  # px: neighbours whose noise is shared, since a disparity is that of a window
NEAREST, FARTHEST = 0.5, 6.0  # m
GRAZING = 0.17  # cosine of the angle to the normal, below which no pattern is seen
LOST = 0.01  # share of the pixels without a disparity for no reason


def measured_depth(
    depth: Array, facing: Array, glass: Array, camera: Camera, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Measured depth (H, W) in m, 0 in holes, of a true depth (H, W) in m.

    `facing` (H, W) is the cosine of the angle between ray and normal, `glass` (H, W) the share of light that is
    mirrored. Holes are where the projector's light does not come, on mirrors, at grazing angles, and out of range. The
    noise is in the disparity, in px of the `camera`: it grows with the square of the depth. A depth of fewer pixels is
    that of the same camera at a smaller size.
    """
    height, width = depth.shape
    disparity = camera.fx * BASELINE / np.maximum(depth, 1e-3)
    coarse = rng.normal(0.0, DISPARITY_STD, (-(-height // PATCH), -(-width // PATCH)))
    noise = coarse.repeat(PATCH, axis=0).repeat(PATCH, axis=1)[:height, :width]
    steps = np.round((disparity + noise) / DISPARITY_STEP)
    measured = camera.fx * BASELINE / (np.maximum(steps, 1.0) * DISPARITY_STEP)
    hole = (
        in_shadow(disparity * width / camera.width)
        | (facing < GRAZING)
        | (glass > 0.5)
        | (rng.random(depth.shape) < LOST)
    )
    hole |= ~np.isfinite(depth) | (measured < NEAREST) | (measured > FARTHEST)
    return np.where(hole, 0.0, measured).astype(np.float32)


def in_shadow(disparity: Array) -> NDArray[np.bool_]:
    """(H, W) whether a nearer surface hides a pixel's point from the projector, which is to the right of the camera.

    A point is in the projector's column u - disparity. A nearer one on its right in the image that comes to the same
    column, or to one farther left, is in front of it.
    """
    column = np.arange(disparity.shape[1]) - disparity
    right = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(disparity.shape, bool)
    hidden[:, :-1] = column[:, :-1] >= right[:, 1:]
    return hidden

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images: their edges, their points, and the frame of a cloud made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose

Depth = NDArray[np.float32]  # (H, W), m; 0 where nothing was measured

EDGE = 0.02  # share of the depth by which neighbours differ at an edge, where depths mix near and far
# T_optical_lidar of the frame of a cloud (x forward, y left, z up) whose origin is an optical frame
AXES = Pose(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))


def at_edges(depth: Depth) -> NDArray[np.bool_]:
    """(H, W) whether a pixel or one of its four neighbours lies across a step of depth, or beside a hole."""
    edge = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        near, far = (np.moveaxis(depth, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        step = np.abs(near - far) > EDGE * np.minimum(near, far)
        moved = np.moveaxis(edge, axis, 0)
        moved[:-1] |= step
        moved[1:] |= step
    return edge


def back_projected(camera: Camera, depth: Array | Depth, stride: int = 1) -> Array:
    """Points (N, 3) of the measured pixels of a depth (H, W) in m of a pinhole camera, m, in its optical frame."""
    rows, columns = np.nonzero(depth[::stride, ::stride])
    rows, columns = rows * stride, columns * stride
    z = depth[rows, columns].astype(np.float64)
    return np.column_stack([(columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z, z])

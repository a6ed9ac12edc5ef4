# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the ICL++ network to a pose with its covariance: probabilistic PnP over the soft matches.

The regressed poses are the starts, so there is no search over samples of matches, and the time is always the same.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose, from_camera_axes
from i2p_ros.core.types import Correspondences, Prediction, Prior
from i2p_ros.families.branches.inputs import original_pixels
from i2p_ros.networks.base import Tensors
from i2p_ros.pnp.weighted import WeightedMatches

LEAST_IN_VIEW = 16  # points
COMPARED = 128  # points in view that are compared with all pixels
LEAST_MATCHES = 6  # valid ones, without which there is no pose


def decoded(
    xyz: NDArray[np.float32], outputs: Tensors, T_input_lidar: Pose, camera: Camera, network_camera: Camera
) -> Prediction:
    """The posterior mean of T_camera_lidar with its covariance, and the matches that it follows from.

    The outputs have points of the frame `input` and pixels of the `network_camera`, the prediction has pixels of the
    original `camera`. There is no pose where fewer than LEAST_MATCHES queries are valid.
    """
    pixels, points, valid = (_array(outputs[name][0, -1]) for name in ("match_pixels", "match_points", "valid"))
    weights = _array(outputs["weights"][0])
    matches = _matches(pixels, points, weights, T_input_lidar, camera, network_camera)
    seen = matches.selected((valid > 0.5) & np.isfinite(matches.pixels).all(axis=1))
    if len(seen) < LEAST_MATCHES:
        return Prediction((seen,))
    focal = np.array([network_camera.fx, network_camera.fy])
    weighted = WeightedMatches(pixels - [network_camera.cx, network_camera.cy], points, weights, focal)
    T_camera_input, covariance = weighted.pose([Pose.from_matrix(T) for T in _array(outputs["poses"][0])])
    T_camera_lidar = T_camera_input @ T_input_lidar
    support, best = mean_similarity(xyz, outputs, T_camera_input, network_camera)
    pose = Prior(T_camera_lidar, from_camera_axes(T_camera_lidar, covariance))
    return Prediction((seen,), pose=pose, support=support, shortfall=best - support)


def mean_similarity(
    xyz: NDArray[np.float32], outputs: Tensors, T_camera_input: Pose, network_camera: Camera
) -> tuple[float, float]:  # fmt: skip
    """Mean similarity, -1..1, of those of the points (N, 3) in view of a pose to the pixels there, and of some of them
    to their most similar pixels; 0 for too few.

    They tell a right pose from a wrong one, whose matches may agree as well.
    """
    uv, visible = network_camera.project(T_camera_input.apply(xyz))
    row = np.flatnonzero(visible)
    if len(row) < LEAST_IN_VIEW:
        return 0.0, 0.0
    points, pixels = outputs["points"][0], outputs["pixels"][0]
    size = np.array([pixels.shape[2], pixels.shape[1]])
    cells = (uv[row] + 0.5) * size / [network_camera.width, network_camera.height] - 0.5
    x, y = torch.from_numpy(cells.round().astype(np.int64).clip(0, size - 1).T).to(pixels.device)
    seen = points[torch.from_numpy(row).to(points.device)].float()
    best = (seen[:COMPARED] @ pixels.flatten(1).float()).amax(1)
    return float((seen * pixels[:, y, x].T.float()).sum(1).mean()), float(best.mean())


def _matches(
    pixels: Array, points: Array, weights: Array, T_input_lidar: Pose, camera: Camera, network_camera: Camera
) -> Correspondences:
    """All queries as matches of original pixels and points of the lidar frame, with weights of at most 1."""
    original = original_pixels(pixels, network_camera.width, network_camera.height, camera)
    mean = weights.mean(axis=1)
    return Correspondences(original, T_input_lidar.inverse().apply(points), mean / max(mean.max(), 1e-9))


def _array(output: torch.Tensor) -> Array:
    """The same numbers in float64."""
    return np.ascontiguousarray(output.cpu().numpy(), np.float64)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fragments: clouds that the depths of successive frames of an RGB-D camera give together, and what is near them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.cells import BITS, cell_keys
from i2p_ros.core.geometry import Array, Pose

VOXEL = 0.025  # m; a fragment has one point in each voxel, the mean of all points there
NEAR = 0.0375  # m; a pixel overlaps with a fragment that has a point within this distance


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """Points `xyz` (N, 3) float32, m, in the frame of the block's first camera with x forward, y left and z up."""

    xyz: NDArray[np.float32]
    T_world_fragment: Pose


def means_of_voxels(points: Array) -> NDArray[np.float32]:
    """(M, 3) the mean of those of points (N, 3) m in each voxel of VOXEL."""
    _, cell, count = np.unique(cell_keys(points, VOXEL), return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(cell, axis) for axis in points.T], axis=1) / count[:, None]
    return np.asarray(mean, np.float32)


class NearPoints:
    """Points of a fragment, sorted into cells of NEAR for the search of near ones."""

    def __init__(self, fragment: Fragment) -> None:
        keys = cell_keys(fragment.xyz, NEAR)
        order = np.argsort(keys, kind="stable")
        self._T_fragment_world = fragment.T_world_fragment.inverse()
        self._points = np.ascontiguousarray(fragment.xyz[order], np.float64)
        self._keys, first = np.unique(keys[order], return_index=True)
        self._first = np.append(first, len(keys)).astype(np.int64)
        self._low, self._high = fragment.xyz.min(axis=0) - NEAR, fragment.xyz.max(axis=0) + NEAR

    def share(self, points: Array, least: float = 0.0) -> float:
        """Share of points (N, 3) in the world with a fragment point within NEAR.

        0 without a search where the share cannot reach `least`.
        """
        local = self._T_fragment_world.apply(points)
        inside = ((local > self._low) & (local < self._high)).all(axis=1)
        if not len(points) or inside.mean() < least:
            return 0.0
        from i2p_ros.core.fragment_kernels import count_near  # numba, which is slow to import

        found = count_near(np.ascontiguousarray(local[inside]), self._points, self._keys, self._first, NEAR, BITS)
        return float(found / len(points))

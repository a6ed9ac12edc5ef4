# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fragments of sequences of an RGB-D camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2p_ros.core.depths import AXES
from i2p_ros.core.errors import InputError
from i2p_ros.core.fragments import Fragment, means_of_voxels
from i2p_ros.sources.rgbd import RgbdFrame, RgbdSequence

FRAMES = 25  # of one fragment, as in the benchmarks of 2D3D-MATR
FUSED_STRIDE = 2  # px, of the pixels that are fused: 1 cm apart at 3 m
OVERLAP_STRIDE = 4  # px, of the pixels whose overlap is counted


def fused(sequence: RgbdSequence, frames: Sequence[RgbdFrame]) -> Fragment:
    """Fragment of some frames of a sequence: mean of their points in each voxel of VOXEL.

    Raises InputError if a file cannot be read, or if no frame has a depth.
    """
    T_world_fragment = frames[0].pose() @ AXES
    T_fragment_world = T_world_fragment.inverse()
    parts = [(T_fragment_world @ frame.pose()).apply(sequence.points(frame, FUSED_STRIDE)) for frame in frames]
    points = np.concatenate(parts)
    if not len(points):
        raise InputError(f"{frames[0].depth} and the frames after it have no depth within range", "depth")
    return Fragment(means_of_voxels(points), T_world_fragment)

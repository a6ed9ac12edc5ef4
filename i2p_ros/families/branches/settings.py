# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of an image branch and of a voxel branch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from i2p_ros.alignment.signals import SignalSetName


class BranchSettings(BaseModel):
    """Sizes of the network. The manifest keeps them beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trunk: bool = False  # whether the image branch and the signals begin with the trunk of EfficientNet-Lite0
    image_width: int = 256  # px, of the image as the network takes it
    max_points: int = 3072  # of the cloud as the network takes it
    downsample_m: float = 0.25  # m, cell of the voxel grid of which one point each is kept
    voxel_m: float = 0.6  # m, finest cell of the voxel branch
    stem: int = 32
    image_stages: list[int] = [48, 64, 96, 96]
    image_blocks: list[int] = [2, 2, 2, 2]
    image_first_stride: int = 1
    image_decoder: list[int] = [96, 64, 64]
    voxel_encoder: list[int] = [24, 32, 48, 64, 96]
    voxel_decoder: list[int] = [64, 48, 48, 48]
    signal_width: int = 512  # px, of the image from which signals are predicted; 0: none are
    signal_trunk: bool = False  # whether signals begin with a trunk of their own
    signal_set: SignalSetName = "lidar"
    signal_stages: list[int] = [16, 32, 48, 64]

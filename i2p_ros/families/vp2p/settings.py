# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the VP2P network."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from i2p_ros.core.renames import old_names

RENAMED = {  # sizes of earlier versions: old name to new
    "thin_m": "downsample_m",
    "likeness": "signal_stages",
    "likeness_width": "signal_width",
}


class VP2PSettings(BaseModel):
    """Sizes of the network. The manifest keeps them beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trunk: bool = False  # whether the image branch and the signals begin with the trunk of EfficientNet-Lite0
    image_width: int = 256  # px, of the image as the network takes it
    max_points: int = 3072  # of the cloud as the network takes it
    downsample_m: float = 0.25  # m, cell of the voxel grid of which one point each is kept
    voxel_m: float = 0.6  # m, finest cell of the voxel branch
    descriptor: int = 64  # channels of a descriptor
    stem: int = 32
    image_stages: list[int] = [48, 64, 96, 96]
    image_blocks: list[int] = [2, 2, 2, 2]
    image_first_stride: int = 1
    image_decoder: list[int] = [96, 64, 64]
    voxel_encoder: list[int] = [24, 32, 48, 64, 96]
    voxel_decoder: list[int] = [64, 48, 48, 48]
    centres: list[int] = [256, 64]  # points of both levels of the point branch
    point_channels: list[int] = [48, 96]
    neighbours: int = 12  # of a point in the point branch
    signal_width: int = 512  # px, of the image from which lidar signals are predicted
    signal_stages: list[int] = [16, 32, 48, 64]

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_names(cls, given: Any) -> Any:
        if old := old_names(given, RENAMED):
            raise ValueError(f"{old}: rename in the settings of the manifest")
        return given


SIZES: dict[str, VP2PSettings] = {
    "small": VP2PSettings(),
    "trunk": VP2PSettings(trunk=True, image_width=512, image_stages=[48, 64, 96, 96]),
    "base": VP2PSettings(
        image_width=512,
        max_points=20480,
        downsample_m=0.1,
        voxel_m=0.3,
        stem=64,
        image_stages=[64, 128, 256, 512],
        image_blocks=[3, 4, 6, 3],
        image_first_stride=2,
        image_decoder=[256, 128, 64],
        voxel_encoder=[32, 64, 128, 256, 256],
        voxel_decoder=[128, 128, 128, 128],
        centres=[1024, 256],
        point_channels=[128, 256],
        neighbours=32,
    ),
}

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the VP2P network."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from i2p_ros.core.renames import old_names
from i2p_ros.families.branches.settings import BranchSettings

RENAMED = {  # sizes of earlier versions: old name to new
    "thin_m": "downsample_m",
    "likeness": "signal_stages",
    "likeness_width": "signal_width",
}


class VP2PSettings(BranchSettings):
    """Sizes of the network, also of its descriptors and of its point branch."""

    descriptor: int = 64  # channels of a descriptor
    centres: list[int] = Field([256, 64])  # points of both levels of the point branch
    point_channels: list[int] = Field([48, 96])
    neighbours: int = 12  # of a point in the point branch

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_names(cls, given: Any) -> Any:
        if old := old_names(given, RENAMED):
            raise ValueError(f"{old}: rename in the settings of the manifest")
        return given


SIZES: dict[str, VP2PSettings] = {
    "small": VP2PSettings(),
    "signals": VP2PSettings(signal_trunk=True),
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

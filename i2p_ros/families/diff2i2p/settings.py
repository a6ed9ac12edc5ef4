# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the Diff2I2P network, and the limits of its matches."""

from __future__ import annotations

from pydantic import Field, model_validator

from i2p_ros.alignment.signals import SignalSetName
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.networks.patches import PatchLimits


class Diff2I2PSettings(BranchSettings):
    """Sizes of the network, also of its patches. The defaults are for rooms."""

    trunk: bool = True
    image_width: int = 320
    image_blocks: list[int] = Field([1, 2, 2, 2])
    max_points: int = 2048
    downsample_m: float = 0.05
    voxel_m: float = 0.1
    image_decoder: list[int] = Field([96, 64, 48])
    nodes: int = 256  # the first of the points: each stands for a patch of those that are nearest to it
    node_points: int = 32  # largest number of points of a patch
    width: int = 64  # channels of a coarse token
    rounds: int = 3  # of attention within and between both sides
    descriptor: int = 64  # channels of a fine descriptor
    signal_width: int = 320
    signal_set: SignalSetName = "surfaces"
    signal_stages: list[int] = Field([16, 32, 64, 96])
    limits: PatchLimits = PatchLimits()
    normal_m: float = 0.035  # m, cell of the normals of the cloud
    tuning_m: float = 0.2  # m along each axis, to which the tuning of a match is bounded

    @model_validator(mode="after")
    def _maps_for_patches(self) -> Diff2I2PSettings:
        if len(self.image_decoder) != 3 or len(self.voxel_decoder) < 2:  # coarse cells are four fine pixels wide
            raise ValueError("image_decoder: three levels; voxel_decoder: two or more")
        if self.nodes > self.max_points:
            raise ValueError(f"nodes: at most max_points, which is {self.max_points}")
        return self


SMALL = Diff2I2PSettings()
SIZES: dict[str, Diff2I2PSettings] = {
    "small": SMALL,
    "street": SMALL.model_copy(
        update={
            "image_width": 512,
            "downsample_m": 0.25,
            "voxel_m": 0.6,
            "normal_m": 0.4,
            "tuning_m": 1.0,
            "signal_set": "lidar",
        }
    ),
}

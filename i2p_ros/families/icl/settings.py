# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the ICL++ network."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from i2p_ros.families.branches.settings import BranchSettings


class Scale(BaseModel):
    """One step from coarse to fine: what the queries attend to.

    A radius bounds the support of a query to what is about its keypoint of the scale before. The first scale has none:
    its points are those whose overlap with the image is detected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: int  # of the decoded maps and of the decoded voxels; 0 is the coarsest, the last scale has the finest
    points: int  # the first of the points, which are tokens
    image_radius_px: float = 0.0  # px of the network's image
    point_radius_m: float = 0.0


class ICLSettings(BranchSettings):
    """Sizes of the network, also of its queries and their scales."""

    image_decoder: list[int] = Field([96, 64, 48])
    queries: int = 64  # learned queries, each of which becomes a match
    width: int = 64  # channels of a query and of a token
    head: int = 64  # channels of the embeddings that poses are regressed from
    scales: list[Scale] = Field(
        [
            Scale(level=0, points=256),
            Scale(level=1, points=1024, image_radius_px=32.0, point_radius_m=16.0),
            Scale(level=2, points=1024, image_radius_px=16.0, point_radius_m=8.0),
            Scale(level=3, points=2048, image_radius_px=8.0, point_radius_m=4.0),
        ]
    )

    @model_validator(mode="after")
    def _levels_exist(self) -> ICLSettings:
        finest = len(self.image_decoder)
        if len(self.voxel_decoder) != finest + 1:
            raise ValueError(f"voxel_decoder: one level more than image_decoder, which has {finest}")
        levels = [scale.level for scale in self.scales]
        if not levels or min(levels) < 0 or levels[-1] != finest or max(levels) > finest:
            raise ValueError(f"scales: levels of 0 to {finest}, the last of {finest}")
        return self


SMALL = ICLSettings()
SIZES: dict[str, ICLSettings] = {
    "small": SMALL,
    "single": SMALL.model_copy(update={"scales": [Scale(level=3, points=2048)]}),  # ICLI2P
    "trunk": SMALL.model_copy(update={"trunk": True, "image_width": 512}),
}

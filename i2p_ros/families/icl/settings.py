# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the ICL++ network."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from i2p_ros.families.vp2p.settings import VP2PSettings


class Scale(BaseModel):
    """One step from coarse to fine: what the queries attend to.

    A radius bounds the support of a query to what is about its keypoint of the scale before. The first scale has none:
    its points are those whose overlap with the image is detected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stride: int = Field(ge=1)  # cells of the descriptor map on each axis whose mean is a token
    points: int = Field(ge=1)  # the first of the points, which are tokens
    image_radius_px: float = 0.0  # px of the network's image
    point_radius_m: float = 0.0


class ICLSettings(VP2PSettings):
    """Sizes of the network, also of its queries and their scales."""

    queries: int = 64  # learned queries, each of which becomes a match
    width: int = 64  # channels of a query and of a token
    head: int = 64  # channels of the embeddings that poses are regressed from
    frustum: bool = True  # whether the queries of the first scale see only the points in the detected frustum
    scales: list[Scale] = Field(
        [
            Scale(stride=4, points=1024),
            Scale(stride=2, points=1536, image_radius_px=32.0, point_radius_m=16.0),
            Scale(stride=1, points=2048, image_radius_px=12.0, point_radius_m=6.0),
        ],
        min_length=1,
    )


SMALL = ICLSettings()
SIZES: dict[str, ICLSettings] = {
    "small": SMALL,
    "single": SMALL.model_copy(update={"scales": [Scale(stride=1, points=2048)]}),  # ICLI2P
    "trunk": SMALL.model_copy(update={"trunk": True, "image_width": 512, "image_stages": [48, 64, 96, 96]}),
}

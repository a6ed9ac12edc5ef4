# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the RelaI2P network, and which of its parts it has."""

from __future__ import annotations

from pydantic import Field, model_validator

from i2p_ros.families.vp2p.settings import VP2PSettings


class RelaI2PSettings(VP2PSettings):
    """Sizes of the network: those of VP2P, of the panorama and of its relation to the image."""

    relation: bool = True  # whether there is a panorama, whose relation to the image gives headings
    fusion: bool = True  # whether the image branch takes the panorama at the headings that were found
    panorama_rows: int = Field(40, multiple_of=8)  # of 360 columns
    panorama_stem: int = 16
    panorama_stages: list[int] = Field([32, 48, 64], min_length=3, max_length=3)
    panorama_decoder: list[int] = Field([48, 32], min_length=2, max_length=2)
    relation_width: int = 32  # channels of a token of the image and of the panorama

    @model_validator(mode="after")
    def _fusion_needs_headings(self) -> RelaI2PSettings:
        if self.fusion and not self.relation:
            raise ValueError("fusion: needs the headings that relation gives")
        return self


SMALL = RelaI2PSettings()
SIZES: dict[str, RelaI2PSettings] = {
    "small": SMALL,
    "unfused": SMALL.model_copy(update={"fusion": False}),
    "unrelated": SMALL.model_copy(update={"fusion": False, "relation": False}),  # VP2P in the cloud's own frame
}

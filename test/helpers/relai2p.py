# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Little networks of the family RelaI2P."""

from i2p_ros.core.config import MatchingSettings
from i2p_ros.families.relai2p import RelaI2P
from i2p_ros.families.relai2p.settings import RelaI2PSettings

LITTLE = RelaI2PSettings(
    image_width=128, max_points=768, stem=16, image_stages=[16, 24, 24, 24], image_blocks=[1, 1, 1, 1],
    image_decoder=[24, 24, 24], voxel_encoder=[16, 16, 24, 24, 24], voxel_decoder=[24, 24, 24, 24],
    centres=[128, 32], point_channels=[16, 24], neighbours=8, descriptor=32,
    panorama_rows=24, panorama_stem=8, panorama_stages=[16, 16, 24], panorama_decoder=[24, 16], relation_width=16,
    signal_width=64, signal_stages=[8, 8, 8, 8],
)  # fmt: skip
FAMILY = RelaI2P(LITTLE, MatchingSettings())

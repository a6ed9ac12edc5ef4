# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Little networks of the family ICL++, and their outputs for a pair."""

from i2p_ros.core.config import MatchingSettings
from i2p_ros.families.icl import ICL
from i2p_ros.families.icl.settings import ICLSettings, Scale

LITTLE = ICLSettings(
    image_width=128, max_points=768, stem=16, image_stages=[16, 24, 24, 24], image_blocks=[1, 1, 1, 1],
    image_decoder=[24, 24, 24], voxel_encoder=[16, 16, 24, 24, 24], voxel_decoder=[24, 24, 24, 24],
    descriptor=32, centres=[64, 32], point_channels=[24, 24], neighbours=8, queries=32, width=32, head=32,
    scales=[
        Scale(stride=4, points=256), Scale(stride=2, points=512, image_radius_px=16.0, point_radius_m=8.0),
        Scale(stride=1, points=768, image_radius_px=8.0, point_radius_m=4.0),
    ],
    signal_width=64, signal_stages=[8, 8, 8, 8],
)  # fmt: skip
FAMILY = ICL(LITTLE, MatchingSettings())

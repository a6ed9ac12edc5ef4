# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Little networks of the family Diff2I2P."""

from i2p_ros.core.config import MatchingSettings
from i2p_ros.families.diff2i2p import Diff2I2P
from i2p_ros.families.diff2i2p.settings import Diff2I2PSettings
from i2p_ros.networks.patches import PatchLimits

LITTLE = Diff2I2PSettings(
    trunk=False, image_width=128, max_points=768, downsample_m=0.25, voxel_m=0.6, stem=16,
    image_stages=[16, 24, 24, 24], image_blocks=[1, 1, 1, 1], image_decoder=[24, 24, 24],
    voxel_encoder=[16, 16, 24, 24, 24],
    voxel_decoder=[24, 24, 24, 24], nodes=96, node_points=16, width=32, rounds=1, descriptor=32,
    normal_m=0.4, tuning_m=0.5,
    signal_width=0, limits=PatchLimits(most_pairs=128, most_matches=256),
)  # fmt: skip
FAMILY = Diff2I2P(LITTLE, MatchingSettings())

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family Diff2I2P: its members in terms of the pages of this folder."""

from __future__ import annotations

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Prediction
from i2p_ros.families.branches.family import OwnFrameFamily
from i2p_ros.families.branches.own_frame import OwnFrameScene
from i2p_ros.families.diff2i2p.decode import decoded
from i2p_ros.families.diff2i2p.network import Diff2I2PNetwork
from i2p_ros.families.diff2i2p.settings import SIZES, Diff2I2PSettings
from i2p_ros.networks.base import Arrays, Tensors


class Diff2I2P(OwnFrameFamily):
    """Matches from coarse to fine, whose points are tuned. They are made of an image without any depth."""

    name = "diff2i2p"
    sizes = SIZES
    settings_type = Diff2I2PSettings
    settings: Diff2I2PSettings

    def network(self) -> Diff2I2PNetwork:
        """A network of these sizes with random weights."""
        return Diff2I2PNetwork(self.settings)

    def decode(
        self, scene: OwnFrameScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """The matches, which the solver judges by their inliers."""
        camera = scene.pair.camera
        return decoded(outputs, self.input_frame(scene, guess), camera, self.input_camera(camera))

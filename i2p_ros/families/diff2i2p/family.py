# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family Diff2I2P: its members in terms of the pages of this folder."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, Prediction
from i2p_ros.families.base import PriorRange
from i2p_ros.families.branches.family import BranchFamily
from i2p_ros.families.branches.own_frame import OwnFrameScene, frame_of, own_frame_scene, pass_inputs
from i2p_ros.families.diff2i2p.decode import decoded
from i2p_ros.families.diff2i2p.network import Diff2I2PNetwork
from i2p_ros.families.diff2i2p.settings import SIZES, Diff2I2PSettings
from i2p_ros.networks.base import Arrays, Tensors


class Diff2I2P(BranchFamily[OwnFrameScene]):
    """Matches from coarse to fine, whose points are tuned. They are made of an image without any depth."""

    name = "diff2i2p"
    trained_prior = PriorRange(1.0, 10.0)
    sizes = SIZES
    settings_type = Diff2I2PSettings
    settings: Diff2I2PSettings

    def network(self) -> Diff2I2PNetwork:
        """A network of these sizes with random weights."""
        return Diff2I2PNetwork(self.settings)

    def scene(self, pair: Pair, rng: np.random.Generator | None) -> OwnFrameScene:
        """The scene of a pair; raises InputError for an image without contrast and for a cloud of too few points."""
        return own_frame_scene(pair, self.settings, rng)

    def inputs(self, scene: OwnFrameScene, guess: Pose | None = None) -> Arrays:
        """`points` (N, 3) and `features` (N, 8); raises InputError when there are too few points."""
        return pass_inputs(scene, guess, self.settings)

    def input_frame(self, scene: OwnFrameScene, guess: Pose | None) -> Pose:
        """The cloud's own frame; with a guess the frame of that camera, its axes forward, left, up."""
        return frame_of(scene, guess)

    def decode(
        self, scene: OwnFrameScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """The matches, which the solver judges by their inliers."""
        camera = scene.pair.camera
        return decoded(outputs, self.input_frame(scene, guess), camera, self.input_camera(camera))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family VP2P: its members in terms of the pages of this folder."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, Prediction
from i2p_ros.families.base import SceneT
from i2p_ros.families.branches.family import BranchFamily
from i2p_ros.families.branches.inputs import input_frame
from i2p_ros.families.vp2p.decode import decoded, merged
from i2p_ros.families.vp2p.inputs import VP2PScene, mirrored, pass_inputs, scene_of
from i2p_ros.families.vp2p.network import VP2PNetwork
from i2p_ros.families.vp2p.settings import SIZES, VP2PSettings
from i2p_ros.networks.base import Arrays, Tensors


class DescriptorFamily(BranchFamily[SceneT]):
    """A family of networks with descriptors of points and pixels in one space, matched with each other."""

    mirrors = True

    def mirror(self, arrays: Arrays) -> Arrays:
        """Shared arrays or inputs of the mirrored pair."""
        return mirrored(arrays)

    def merge(self, outputs: Tensors, mirrored: Tensors) -> Tensors:
        """Descriptors whose similarities are the means of those of both passes."""
        return merged(outputs, mirrored)

    def decode(
        self, scene: SceneT, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """Matches for each viewing direction, and the similarities of points and pixels."""
        xyz = inputs["points"][: round(share * self.matching.max_points)]
        frame, views = self.input_frame(scene, guess), 1 if guess else self.matching.views
        return decoded(xyz, outputs, scene.pair.camera, frame, views, self.matching, both)


class VP2P(DescriptorFamily[VP2PScene]):
    """Descriptors from voxels, points and pixels; see `network`."""

    name = "vp2p"
    sizes = SIZES
    settings_type = VP2PSettings
    on_vehicles, signal_guesses, refined_results = True, 6, 4
    settings: VP2PSettings

    def network(self) -> VP2PNetwork:
        """A network of these sizes with random weights."""
        return VP2PNetwork(self.settings)

    def scene(self, pair: Pair, rng: np.random.Generator | None) -> VP2PScene:
        """The scene of a pair; raises InputError for an image without contrast."""
        return scene_of(pair, self.settings, rng)

    def inputs(self, scene: VP2PScene, guess: Pose | None = None) -> Arrays:
        """`points` (N, 3) and `features` (N, 8); raises InputError when there are too few points."""
        return pass_inputs(scene, guess, self.settings)

    def input_frame(self, scene: VP2PScene, guess: Pose | None) -> Pose:
        """The lidar's frame; with a guess the frame of that camera, its axes forward, left, up."""
        return input_frame(guess)

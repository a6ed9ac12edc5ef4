# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family ICL++: its members in terms of the pages of this folder."""

from __future__ import annotations

from dataclasses import replace

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Prediction
from i2p_ros.families.branches.family import OwnFrameFamily
from i2p_ros.families.branches.headings import headings_of
from i2p_ros.families.branches.own_frame import OwnFrameScene
from i2p_ros.families.icl.decode import decoded
from i2p_ros.families.icl.network import ICLNetwork
from i2p_ros.families.icl.settings import SIZES, ICLSettings
from i2p_ros.networks.base import Arrays, Tensors


class ICL(OwnFrameFamily):
    """Learned queries become soft matches, from coarse to fine. Probabilistic PnP gives their pose."""

    name = "icl"
    std_inflation = 0.75  # it has learned how large the errors of its matches are
    sizes = SIZES
    settings_type = ICLSettings
    settings: ICLSettings

    def network(self) -> ICLNetwork:
        """A network of these sizes with random weights."""
        return ICLNetwork(self.settings)

    def decode(
        self, scene: OwnFrameScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """The pose with its covariance, the matches that it follows from, and the distribution of headings."""
        camera, T_input_lidar = scene.pair.camera, self.input_frame(scene, guess)
        found = decoded(inputs["points"], outputs, T_input_lidar, camera, self.input_camera(camera))
        return replace(found, headings=headings_of(outputs, T_input_lidar))

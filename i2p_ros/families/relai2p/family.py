# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The family RelaI2P: what it has beside VP2P, in terms of the pages of this folder."""

from __future__ import annotations

from dataclasses import replace

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Prediction
from i2p_ros.families.branches.family import OwnFrameFamily
from i2p_ros.families.branches.headings import headings_of
from i2p_ros.families.branches.own_frame import OwnFrameScene
from i2p_ros.families.relai2p.inputs import EYE_M, mirrored_camera, mirrored_panorama, panorama
from i2p_ros.families.relai2p.network import RelaI2PNetwork
from i2p_ros.families.relai2p.settings import SIZES, RelaI2PSettings
from i2p_ros.families.vp2p.family import DescriptorFamily
from i2p_ros.networks.base import Arrays, Tensors


class RelaI2P(OwnFrameFamily, DescriptorFamily[OwnFrameScene]):
    """Descriptors that know a panorama of the cloud, and a distribution of headings; see `network`."""

    name = "relai2p"
    needs = frozenset({"full_turn"})
    eye_m = EYE_M
    sizes = SIZES
    settings_type = RelaI2PSettings
    settings: RelaI2PSettings

    def network(self) -> RelaI2PNetwork:
        """A network of these sizes with random weights."""
        return RelaI2PNetwork(self.settings)

    def inputs(self, scene: OwnFrameScene, guess: Pose | None = None) -> Arrays:
        """`points` (N, 3), `features` (N, 8) and the `panorama` (8, rows, 360); raises InputError when there are too
        few points."""
        given = super().inputs(scene, guess)
        if not self.settings.relation:
            return given
        around = scene.given.transformed(self.input_frame(scene, guess))
        return given | {"panorama": panorama(around, self.settings.panorama_rows)}

    def mirror(self, arrays: Arrays) -> Arrays:
        """Shared arrays or inputs of the mirrored pair."""
        mirrored = super().mirror(arrays)
        if "camera" in arrays:
            mirrored["camera"] = mirrored_camera(arrays)
        if "panorama" in arrays:
            mirrored["panorama"] = mirrored_panorama(arrays["panorama"])
        return mirrored

    def decode(
        self, scene: OwnFrameScene, inputs: Arrays, outputs: Tensors, guess: Pose | None = None, both: Both = in_turn,
        share: float = 1.0,
    ) -> Prediction:  # fmt: skip
        """As VP2P, and the distribution of headings."""
        prediction = super().decode(scene, inputs, outputs, guess, both, share)
        return replace(prediction, headings=headings_of(outputs, self.input_frame(scene, guess)))

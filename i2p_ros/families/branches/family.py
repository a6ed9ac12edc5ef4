# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The members of such a family that follow from its sizes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from i2p_ros.alignment.signals import SIGNAL_SETS, SignalSet
from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair
from i2p_ros.families.base import Family, PriorRange, SceneT
from i2p_ros.families.branches.inputs import OF_POINTS, network_camera
from i2p_ros.families.branches.own_frame import OwnFrameScene, frame_of, own_frame_scene, pass_inputs
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.networks.base import Arrays


class BranchFamily(Family[SceneT]):
    """A family whose network takes an image and points, and may predict signals."""

    trained_prior = PriorRange(1.0, 10.0)
    settings: BranchSettings

    @property
    def signal_width(self) -> int | None:
        """Width in px of the image that the signal network takes; none without such a network."""
        return self.settings.signal_width or None

    @property
    def signal_set(self) -> SignalSet:
        """The predicted signals."""
        return SIGNAL_SETS[self.settings.signal_set]

    @property
    def max_points(self) -> int:
        """Largest number of points of a forward pass."""
        return self.settings.max_points

    def input_camera(self, camera: Camera) -> Camera:
        """Camera of the `image`."""
        return network_camera(camera, self.settings.image_width)

    def halved(self, inputs: Arrays) -> Arrays:
        """The first half of the points. They are in random order, so this is the same cloud with half the density."""
        return inputs | {name: inputs[name][: len(inputs[name]) // 2] for name in OF_POINTS if name in inputs}

    def signal_camera(self, camera: Camera) -> Camera | None:
        """Camera of the `channels`; none without a signal network."""
        return network_camera(camera, self.settings.signal_width) if self.settings.signal_width else None


class OwnFrameFamily(BranchFamily[OwnFrameScene]):
    """Such a family whose network takes the cloud in a frame of its own, so that the answer turns with the cloud."""

    eye_m: ClassVar[float | None] = None  # as in `own_frame`

    def scene(self, pair: Pair, rng: np.random.Generator | None) -> OwnFrameScene:
        """The scene of a pair; raises InputError for an image without contrast and for a cloud of too few points."""
        return own_frame_scene(pair, self.settings, rng, self.eye_m)

    def inputs(self, scene: OwnFrameScene, guess: Pose | None = None) -> Arrays:
        """`points` (N, 3) and `features` (N, 8); raises InputError when there are too few points."""
        return pass_inputs(scene, guess, self.settings)

    def input_frame(self, scene: OwnFrameScene, guess: Pose | None) -> Pose:
        """The cloud's own frame; with a guess the frame of that camera, its axes forward, left, up."""
        return frame_of(scene, guess)

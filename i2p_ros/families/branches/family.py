# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The members of such a family that follow from its sizes."""

from __future__ import annotations

from i2p_ros.core.camera import Camera
from i2p_ros.families.base import Family, SceneT
from i2p_ros.families.branches.inputs import OF_POINTS, network_camera
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.networks.base import Arrays


class BranchFamily(Family[SceneT]):
    """A family whose network takes an image and points, and may predict lidar signals."""

    settings: BranchSettings

    @property
    def signal_width(self) -> int | None:
        """Width in px of the image that the signal network takes; none without such a network."""
        return self.settings.signal_width or None

    @property
    def max_points(self) -> int:
        """Largest number of points of a forward pass."""
        return self.settings.max_points

    def input_camera(self, camera: Camera) -> Camera:
        """Camera of the `image`."""
        return network_camera(camera, self.settings.image_width)

    def halved(self, inputs: Arrays) -> Arrays:
        """The first half of the points. They are in random order, so this is the same cloud with half the density."""
        return inputs | {name: inputs[name][: len(inputs[name]) // 2] for name in OF_POINTS}

    def signal_camera(self, camera: Camera) -> Camera | None:
        """Camera of the `channels`; none without a signal network."""
        return network_camera(camera, self.settings.signal_width) if self.settings.signal_width else None

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of one camera and one lidar."""

from __future__ import annotations

from dataclasses import dataclass

from i2p_ros.core.config import Settings


@dataclass(frozen=True, slots=True)
class InputTopics:
    """Names of the topics of one camera and one lidar. Relative names may be remapped.

    `image` is without the part of a transport, such as /compressed. An empty `image_transport` or `cloud_type` is that
    of the settings.
    """

    image: str = "image"
    camera_info: str = "camera_info"
    points: str = "points"
    image_transport: str = ""
    cloud_type: str = ""

    @staticmethod
    def named(camera: str, lidar: str) -> InputTopics:
        """The topics of a camera and a lidar of these names, which may be empty."""
        of_camera, of_lidar = (f"{name}/" if name else "" for name in (camera, lidar))
        return InputTopics(f"{of_camera}image", f"{of_camera}camera_info", f"{of_lidar}points")

    def applied(self, settings: Settings) -> Settings:
        """Settings with the transport of the images and the type of the clouds."""
        types = {"image_transport": self.image_transport, "cloud_type": self.cloud_type}
        node = settings.node.model_copy(update={name: kind for name, kind in types.items() if kind})
        return settings.model_copy(update={"node": node})

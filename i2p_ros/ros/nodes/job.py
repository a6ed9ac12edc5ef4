# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that belong together, on their way through the node."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import (
    CLOUD_MESSAGES,
    POINT_CLOUD2,
    camera_from_message,
    frame_name,
    frame_of,
    image_from_message,
)
from i2p_ros.core.types import Pair


@dataclass(frozen=True)
class Job:
    """An image and a cloud with the newest camera_info, and when they were complete (time.perf_counter(), s)."""

    image: Any
    cloud: Any
    info: Any
    stamp: int  # ns, of the image
    gap_ms: float  # image minus cloud, each with its offset
    arrived: float = field(default_factory=time.perf_counter)

    @property
    def camera_frame(self) -> str:
        """Frame of the image."""
        return frame_name(self.image.header.frame_id)

    @property
    def cloud_frame(self) -> str:
        """Frame of the cloud, which poses are given in."""
        return frame_name(self.cloud.header.frame_id)

    @property
    def age_ms(self) -> float:
        """Time since the messages were complete."""
        return 1e3 * (time.perf_counter() - self.arrived)

    @property
    def cloud_stamp(self) -> int:
        """When the cloud was taken, ns, by the clock of the images."""
        return self.stamp - round(self.gap_ms * 1e6)

    def decoded(self, rectified: bool, intensity_field: str, cloud_type: str = POINT_CLOUD2) -> Pair:
        """The messages as a Pair, the cloud by its message type; raises InputError for what cannot be decoded."""
        for message in (self.image, self.cloud):
            frame_of(message)
        if self.info is None:
            raise InputError("no camera_info yet: is the topic right?", "camera_info.missing")
        camera, image = camera_from_message(self.info, rectified), image_from_message(self.image)
        height, width = image.shape[:2]
        cloud = CLOUD_MESSAGES[cloud_type](self.cloud, intensity_field)
        return Pair(image, camera.fitted(width, height), cloud, self.stamp)

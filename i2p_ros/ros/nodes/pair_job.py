# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of one pair on their way from the subscriptions to the worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.kept import Kept
from i2p_ros.core.messages import (
    CLOUD_MESSAGES,
    IMAGE_MESSAGES,
    IMAGE_TRANSPORTS,
    ImageCamera,
    camera_of_image,
    frame_name,
    frame_of,
)
from i2p_ros.core.messages.point_times import TIME_FIELDS
from i2p_ros.core.types import Pair, PointCloud


@dataclass(frozen=True, eq=False)
class _CloudMessage:
    """The message of a cloud, and the settings that it is decoded with."""

    message: Any
    kind: str
    intensity_field: str

    def decoded(self) -> PointCloud:
        """The cloud. Raises InputError for a message that cannot be used."""
        return CLOUD_MESSAGES[self.kind](self.message, self.intensity_field)

    def is_same(self, other: _CloudMessage) -> bool:
        """Whether the other holds the same cloud: the scan for another camera, or a map that is sent again.

        Points with times make another cloud at another stamp.
        """
        if (self.kind, self.intensity_field) != (other.kind, other.intensity_field):
            return False
        one, two = self.message, other.message
        if one.header.stamp != two.header.stamp and any(field.name in TIME_FIELDS for field in one.fields):
            return False
        parts = [name for name in one.get_fields_and_field_types() if name != "header"]
        return all(getattr(one, name) == getattr(two, name) for name in parts)


_cloud_of = Kept(_CloudMessage.decoded, _CloudMessage.is_same)


@dataclass(frozen=True)
class PairJob:
    """An image, a cloud and the newest camera_info, with the settings that this pair is processed with.

    `stamp` (ns) is that of the image. `gap_ms` is the stamp of the image minus that of the cloud, each with its offset.
    `arrived` is when the pair was complete, by time.perf_counter(), s.
    """

    image: Any
    cloud: Any
    info: Any
    stamp: int
    gap_ms: float
    settings: Settings
    arrived: float = field(default_factory=time.perf_counter)

    @property
    def camera_frame(self) -> str:
        """Frame of the image."""
        return frame_name(self.image.header.frame_id)

    @property
    def cloud_frame(self) -> str:
        """Frame of the cloud, in which poses are given."""
        return frame_name(self.cloud.header.frame_id)

    @property
    def age_ms(self) -> float:
        """Time since the pair was complete, ms."""
        return 1e3 * (time.perf_counter() - self.arrived)

    @property
    def cloud_stamp(self) -> int:
        """Time of the cloud by the clock of the images, ns."""
        return self.stamp - round(self.gap_ms * 1e6)

    def decoded(self, image_topic: str) -> tuple[Pair, ImageCamera]:
        """The messages as a Pair, and what its camera was read from. Raises InputError for messages that cannot be
        used. The name of the image topic may say that images are rectified."""
        for message in (self.image, self.cloud):
            frame_of(message)
        if self.info is None:
            raise InputError("no camera_info yet: is the topic right?", "camera_info.missing")
        node = self.settings.node
        image = IMAGE_MESSAGES[IMAGE_TRANSPORTS[node.image_transport]](self.image, image_topic)
        height, width = image.shape[:2]
        chosen = camera_of_image(self.info, image_topic, node.rectified, (width, height))
        cloud = _cloud_of(_CloudMessage(self.cloud, node.cloud_type, node.intensity_field))
        return Pair(image, chosen.camera.fitted(width, height), cloud, self.stamp), chosen

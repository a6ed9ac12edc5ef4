# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of the CameraInfos of a bag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import IMAGE_MESSAGES, ImageCamera, camera_of_image
from i2p_ros.sources.bag_reader import bag_errors


class InfoDecoder:
    """Decoder of the CameraInfos of an open bag, for the images of one topic.

    A recording of an hour has a hundred thousand equal ones: of each topic, a message that equals the one before it is
    not decoded again. `refused` has the first refusal for each topic and reason. `rectified` and `image_size`: see
    camera_of_image.
    """

    def __init__(
        self, reader: AnyReader, image_topic: str, rectified: bool | None, image_size: tuple[int, int] | None
    ) -> None:
        self._reader, self._image_topic = reader, image_topic.removesuffix("/compressed")
        self._rectified, self._image_size = rectified, image_size
        self._latest: dict[str, tuple[bytes, ImageCamera | InputError]] = {}  # by topic: content and what it gave
        self.refused: dict[tuple[str, str], str] = {}  # by topic and reason

    def camera(self, connection: Any, raw: bytes) -> ImageCamera:
        """The camera of a raw message; raises InputError `camera_info.*`."""
        content = raw[12:]  # all but the stamp, and the sequence number of ROS 1
        latest = self._latest.get(connection.topic)
        if latest is None or latest[0] != content:
            latest = self._latest[connection.topic] = content, self._decoded(connection, raw)
        if isinstance(latest[1], InputError):
            self.refused.setdefault((connection.topic, latest[1].reason), str(latest[1]))
            raise latest[1]
        return latest[1]

    def refusals(self) -> str:
        """The refusals in words, each after a semicolon."""
        return "".join(f"; refused on {topic} ({reason}): {why}" for (topic, reason), why in self.refused.items())

    def _decoded(self, connection: Any, raw: bytes) -> ImageCamera | InputError:
        message: Any = self._reader.deserialize(raw, connection.msgtype)
        try:
            return camera_of_image(message, self._image_topic, self._rectified, self._image_size)
        except InputError as error:
            return error


def first_image_size(reader: AnyReader, path: Path, topic: str) -> tuple[int, int] | None:
    """Width and height of the first image of a topic, px; none if it cannot be read."""
    connections = [c for c in reader.connections if c.topic == topic]
    try:
        with bag_errors(path, "bag.message"):
            for connection, _, raw in reader.messages(connections):
                height, width = IMAGE_MESSAGES[connection.msgtype](reader.deserialize(raw, connection.msgtype)).shape[
                    :2
                ]
                return width, height
    except InputError:
        pass  # it is refused when it is read
    return None

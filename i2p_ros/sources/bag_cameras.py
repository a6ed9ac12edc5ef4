# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of the CameraInfos of a bag."""

from __future__ import annotations

from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import camera_of_image
from i2p_ros.core.topic_choice import TopicInfo
from i2p_ros.sources.bag_reader import BagReader


class InfoDecoder:
    """Decoder of the CameraInfos of an open bag, for the images of one topic.

    A recording of an hour has a hundred thousand equal ones: of each topic, a message that equals the one before it is
    not decoded again. `refused` has the first refusal for each topic and reason. `rectified` and `image_size`: see
    camera_of_image.
    """

    def __init__(
        self, reader: BagReader, image_topic: str, rectified: bool | None, image_size: tuple[int, int] | None
    ) -> None:
        self._reader, self._image_topic = reader, TopicInfo(image_topic).base
        self._rectified, self._image_size = rectified, image_size
        self._latest: dict[str, tuple[bytes, Camera | InputError]] = {}  # by topic: content and what it gave
        self._matrices: dict[str, list[str]] = {}  # by topic, in words
        self._doubts: dict[str, str] = {}  # by topic
        self.refused: dict[tuple[str, str], str] = {}  # by topic and reason

    def camera(self, connection: Any, raw: bytes) -> Camera:
        """The camera of a raw message; raises InputError `camera_info.*`."""
        content = raw[12:]  # all but the stamp, and the sequence number of ROS 1
        latest = self._latest.get(connection.topic)
        if latest is None or latest[0] != content:
            latest = self._latest[connection.topic] = content, self._decoded(connection, raw)
        if isinstance(latest[1], InputError):
            raise InputError(str(latest[1]), latest[1].reason)  # anew: one that is raised again grows its traceback
        return latest[1]

    def matrices(self, topic: str) -> str:
        """What the cameras of a camera_info topic are read from, in words: one matrix, or several in turn."""
        return ", then ".join(self._matrices.get(topic, []))

    def doubts(self, topic: str) -> list[str]:
        """Warnings of contradictions in the messages of a camera_info topic."""
        return [f"{topic}: {self._doubts[topic]}"] if topic in self._doubts else []

    def refusals(self) -> str:
        """The refusals in words, each after a semicolon."""
        return "".join(f"; refused on {topic} ({reason}): {why}" for (topic, reason), why in self.refused.items())

    def _decoded(self, connection: Any, raw: bytes) -> Camera | InputError:
        message: Any = self._reader.deserialize(raw, connection.msgtype)
        try:
            chosen = camera_of_image(message, self._image_topic, self._rectified, self._image_size)
        except InputError as error:
            self.refused.setdefault((connection.topic, error.reason), str(error))
            return error
        matrices = self._matrices.setdefault(connection.topic, [])
        if chosen.source not in matrices:
            matrices.append(chosen.source)
        if chosen.doubt:  # with the numbers of this message: the first is enough
            self._doubts.setdefault(connection.topic, chosen.doubt)
        return chosen.camera

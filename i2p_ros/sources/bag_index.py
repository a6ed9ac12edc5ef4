# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Index of a bag, made in one pass: stamps of images and clouds, calibrations, static transforms, true poses."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import camera_from_message, pose_from_transform, stamp_ns, transform_from_stamped
from i2p_ros.sources.bag_reader import INFO_TYPES, BagReader, BagTopics, bag_errors, read_header
from i2p_ros.sources.static_transforms import StaticTransforms

Entry = tuple[int, int]  # header stamp, time received: ns


class BagIndex:
    """Index of an open bag. Of images and clouds only the headers are decoded.

    `images` and `clouds` are their entries in the order of the bag. `lost` counts by reason the messages whose header,
    calibration, transform or pose could not be used.
    """

    def __init__(self, reader: BagReader, path: Path, topics: BagTopics, rectified: bool) -> None:
        self._reader, self._topics, self._rectified = reader, topics, rectified
        self.images: list[Entry] = []
        self.clouds: list[Entry] = []
        self.image_frame = self.cloud_frame = ""
        self.transforms = StaticTransforms()
        self.lost: Counter[str] = Counter()
        self._infos: dict[str, list[tuple[int, str, Camera]]] = {}
        self._poses: list[tuple[int, Pose]] = []
        self._read(path)
        self._poses.sort(key=_stamp)

    def _read(self, path: Path) -> None:
        connections = self._reader.connections
        handlers = {c.topic: handler for c in connections if (handler := self._handler(c.topic, c.msgtype))}
        wanted = [c for c in connections if c.topic in handlers]
        with bag_errors(path, "bag.unreadable"):
            for connection, received, raw in self._reader.messages(wanted):
                try:
                    with bag_errors(path, "bag.message"):
                        handlers[connection.topic](connection, received, raw)
                except InputError as error:
                    self.lost[error.reason] += 1

    def _handler(self, topic: str, kind: str) -> Callable[[Any, int, bytes], None] | None:
        """The method for the messages of a topic, or none. It takes connection, time received (ns) and raw message."""
        if topic in (self._topics.image, self._topics.cloud):
            return self._add_sensor
        if topic == self._topics.pose:
            return self._add_pose
        if kind in INFO_TYPES and self._topics.camera_info in ("", topic):
            return self._add_info
        return self._add_transforms if topic.rpartition("/")[2] == "tf_static" else None

    def _add_sensor(self, connection: Any, received: int, raw: bytes) -> None:
        stamp, frame = read_header(raw, self._reader.is2)
        if connection.topic == self._topics.image:
            self.images.append((stamp, received))
            self.image_frame = self.image_frame or frame
        else:
            self.clouds.append((stamp, received))
            self.cloud_frame = self.cloud_frame or frame

    def _add_info(self, connection: Any, _: int, raw: bytes) -> None:
        stamp, frame = read_header(raw, self._reader.is2)
        camera = camera_from_message(self._reader.deserialize(raw, connection.msgtype), self._rectified)
        infos = self._infos.setdefault(connection.topic, [])
        infos.append((stamp, frame, infos[-1][2] if infos and infos[-1][2] == camera else camera))

    def _add_pose(self, connection: Any, _: int, raw: bytes) -> None:
        message: Any = self._reader.deserialize(raw, connection.msgtype)
        self._poses.append((stamp_ns(message.header.stamp), pose_from_transform(message.pose)))

    def _add_transforms(self, connection: Any, _: int, raw: bytes) -> None:
        message: Any = self._reader.deserialize(raw, connection.msgtype)
        for transform in message.transforms:
            self.transforms.add(*transform_from_stamped(transform))

    def camera_info_topic(self) -> str:
        """The camera_info topic of the image topic: beside it, else of the same frame, else the only one.

        Raises InputError `bag.camera_info` if there is none of these.
        """
        beside = self._topics.image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
        same_frame = [topic for topic, infos in self._infos.items() if infos[0][1] == self.image_frame]
        only = list(self._infos) if len(self._infos) == 1 else []
        for topic in (self._topics.camera_info, beside, *sorted(same_frame), *only):
            if topic in self._infos:
                return topic
        raise InputError(
            f"no camera_info for {self._topics.image} (frame {self.image_frame!r}): there are usable ones on "
            f"{', '.join(sorted(self._infos)) or 'no topic'}, and {dict(self.lost)} were lost; name the topic to use",
            "bag.camera_info",
        )

    def cameras(self, topic: str) -> list[tuple[int, Camera]]:
        """Stamp (ns) and camera of every usable message of a camera_info topic, in order of time."""
        return sorted(((stamp, camera) for stamp, _, camera in self._infos[topic]), key=_stamp)

    def pose_at(self, stamp: int, slop_ns: int) -> Pose | None:
        """T_world_lidar of the true pose nearest to the stamp (ns), or none if that is farther than the slop."""
        at = bisect_right(self._poses, stamp, key=_stamp)
        near = min(self._poses[max(at - 1, 0) : at + 1], key=lambda entry: abs(entry[0] - stamp), default=None)
        return near[1] if near and abs(near[0] - stamp) <= slop_ns else None


def _stamp(entry: tuple[int, Any]) -> int:
    return entry[0]

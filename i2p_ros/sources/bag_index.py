# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Index of a bag, made in one pass: stamps of images and clouds, calibrations, static transforms, true poses."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from i2p_ros.core.camera import Camera
from i2p_ros.core.clock_offset import Entry
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import pose_from_transform, stamp_ns, transform_from_stamped
from i2p_ros.sources.bag_cameras import InfoDecoder
from i2p_ros.sources.bag_reader import BagReader, bag_errors, read_header
from i2p_ros.sources.bag_topics import INFO_TYPES, BagTopics
from i2p_ros.sources.static_transforms import FixedTransforms, StaticTransforms

T = TypeVar("T")
STAMP, RECEIVED = 0, 1  # of an Entry
TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
Handler = Callable[[Any, int, bytes], None]  # of connection, time received (ns) and raw message


class Timeline(Generic[T]):
    """Values that hold from a time (ns) on. The first one holds before its time too."""

    def __init__(self, values: list[tuple[int, T]], clock: int) -> None:
        """`values` are in order of time. `clock` says which time of an Entry is meant: STAMP or RECEIVED."""
        self.values, self._clock = values, clock

    def at(self, entry: Entry) -> T:
        """The value at the time of an entry. There must be a value."""
        return self.values[max(bisect_right(self.values, entry[self._clock], key=_time) - 1, 0)][1]


class BagIndex:
    """Index of an open bag. Of images and clouds only the headers are decoded.

    `images` and `clouds` are their entries in the order of the bag. `lost` counts by reason the messages whose header,
    transform or pose could not be used, and `lost_infos` the calibrations by topic. `types` are the message types of
    the topics of images and clouds. `decoder` decodes calibrations. With `by_arrival` the stamps of headers are not
    checked.
    """

    def __init__(
        self, reader: BagReader, path: Path, topics: BagTopics, types: Mapping[str, str], decoder: InfoDecoder,
        by_arrival: bool,
    ) -> None:  # fmt: skip
        self._reader, self._path, self._topics, self._types = reader, path, topics, types
        self._decoder, self._by_arrival = decoder, by_arrival
        self.images: list[Entry] = []
        self.clouds: list[Entry] = []
        self.image_frame = self.cloud_frame = ""
        self.transforms = StaticTransforms()
        self.lost: Counter[str] = Counter()
        self.lost_infos = defaultdict[str, Counter[str]](Counter)
        self._infos: dict[str, list[tuple[Entry, Camera]]] = {}
        self._poses: list[tuple[int, Pose]] = []
        self._read({c.topic: found for c in reader.connections if (found := self._handler(c))})
        self._poses.sort(key=_time)

    @property
    def usable_infos(self) -> list[str]:
        """The camera_info topics that have a calibration."""
        return list(self._infos)

    def cameras(self, topic: str) -> Timeline[Camera]:
        """The usable calibrations of a camera_info topic, by stamp, or by time received if a stamp is not set."""
        infos = self._infos[topic]
        clock = RECEIVED if self._by_arrival or any(not stamp for (stamp, _), _ in infos) else STAMP
        return Timeline(sorted(((entry[clock], camera) for entry, camera in infos), key=_time), clock)

    def pose_at(self, time: int, slop_ns: int) -> Pose | None:
        """T_world_lidar of the true pose nearest to a time (ns), or none if that is farther than the slop."""
        at = bisect_right(self._poses, time, key=_time)
        near = min(self._poses[max(at - 1, 0) : at + 1], key=lambda entry: abs(entry[0] - time), default=None)
        return near[1] if near and abs(near[0] - time) <= slop_ns else None

    def calibrations(self) -> tuple[Timeline[Pose], bool]:
        """Every T_camera_lidar by the time from which on it was received, and whether it is from /tf.

        /tf is read only if /tf_static does not connect the two frames. There is no calibration if neither does, and if
        camera and lidar state the same frame, which is a mistake.
        """
        camera, lidar = self.image_frame, self.cloud_frame
        if camera == lidar:
            return Timeline([], RECEIVED), False
        if found := self.transforms.history(camera, lidar):
            return Timeline(found, RECEIVED), False
        fixed = FixedTransforms()
        self._read({c.topic: self._transform_handler(fixed) for c in self._reader.connections if is_tf(c, "tf")})
        fixed.add_to(self.transforms)
        try:
            found = self.transforms.history(camera, lidar)
        except InputError as error:  # a loop of transforms that may not have been meant to be static
            self.lost[error.reason] += 1
        return Timeline(found, RECEIVED), bool(found)

    def _read(self, handlers: dict[str, Handler]) -> None:
        """Give every message of the topics to the handler of its topic."""
        wanted = [c for c in self._reader.connections if c.topic in handlers]
        with bag_errors(self._path, "bag.unreadable"):
            for connection, received, raw in self._reader.messages(wanted):
                try:
                    with bag_errors(self._path, "bag.message"):
                        handlers[connection.topic](connection, received, raw)
                except InputError as error:
                    is_info = connection.msgtype in INFO_TYPES
                    (self.lost_infos[connection.topic] if is_info else self.lost)[error.reason] += 1

    def _handler(self, connection: Any) -> Handler | None:
        """The method for the messages of a connection, or none."""
        topic = connection.topic
        if topic in (self._topics.image, self._topics.cloud):
            return self._add_sensor
        if topic == self._topics.pose:
            return self._add_pose
        if connection.msgtype in INFO_TYPES and self._topics.camera_info in ("", topic):
            return self._add_info
        return self._transform_handler(self.transforms) if is_tf(connection, "tf_static") else None

    def _add_sensor(self, connection: Any, received: int, raw: bytes) -> None:
        if connection.msgtype != self._types[connection.topic]:
            raise InputError(f"{connection.topic} is read as {self._types[connection.topic]}", "message.type")
        stamp, frame = read_header(raw, self._reader.is2, check=not self._by_arrival)
        if connection.topic == self._topics.image:
            self.images.append((stamp, received))
            self.image_frame = self.image_frame or frame
        else:
            self.clouds.append((stamp, received))
            self.cloud_frame = self.cloud_frame or frame

    def _add_info(self, connection: Any, received: int, raw: bytes) -> None:
        stamp, _ = read_header(raw, self._reader.is2, check=False)
        camera = self._decoder.camera(connection, raw)
        self._infos.setdefault(connection.topic, []).append(((stamp, received), camera))

    def _add_pose(self, connection: Any, received: int, raw: bytes) -> None:
        message: Any = self._reader.deserialize(raw, connection.msgtype)
        time = received if self._by_arrival else stamp_ns(message.header.stamp)
        self._poses.append((time, pose_from_transform(message.pose)))

    def _transform_handler(self, transforms: StaticTransforms | FixedTransforms) -> Handler:
        """A handler that adds transforms from the time on at which they were received: their stamps may be of any
        clock, and tf2 does not look at those of static ones."""

        def add(connection: Any, received: int, raw: bytes) -> None:
            message: Any = self._reader.deserialize(raw, connection.msgtype)
            for transform in message.transforms:
                try:
                    transforms.add(*transform_from_stamped(transform), received)
                except InputError as error:
                    self.lost[error.reason] += 1

        return add


def is_tf(connection: Any, name: str) -> bool:
    """Whether a connection is a topic of transforms of this name, `tf` or `tf_static`."""
    return connection.topic.rpartition("/")[2] == name and connection.msgtype in TF_TYPES


def _time(entry: tuple[int, Any]) -> int:
    return entry[0]

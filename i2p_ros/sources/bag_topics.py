# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of a bag: what there is, and which of them are read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from i2p_ros.core.config import TopicSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import CLOUD_MESSAGES, IMAGE_MESSAGES, VIDEO_MESSAGES, VideoDecoder
from i2p_ros.core.messages.reading import attribute
from i2p_ros.core.topic_choice import TopicInfo, choose_cloud, choose_image, find_info, frame_doubt
from i2p_ros.sources.bag_reader import BagReader, bag_errors, read_header
from i2p_ros.sources.chunked_file import BagConnection

INFO_TYPES = ("sensor_msgs/msg/CameraInfo",)
POSE_TYPES = ("geometry_msgs/msg/PoseStamped",)
SAMPLES = 3  # messages of each topic that are decoded to see what it holds
TRIED = 20  # messages of each topic that are tried for that: a sensor may begin with empty ones
KEYFRAME_WITHIN = 300  # messages of a video: as many are looked at to find its first keyframe


@dataclass(frozen=True, slots=True)
class BagTopics:
    """Topics to read. An empty topic is chosen. `pose` (T_world_lidar) may be absent from the bag."""

    image: str = ""
    cloud: str = ""
    camera_info: str = ""
    pose: str = "/ground_truth/pose"

    @staticmethod
    def of(settings: TopicSettings) -> BagTopics:
        """The topics that settings name."""
        return BagTopics(settings.image, settings.points, settings.camera_info)


class TopicSurvey:
    """Frames, numbers and sizes of the topics of an open bag, by their first messages.

    `types` are the message types of the topics that have messages. Of several types of one topic it is the most
    frequent one.
    """

    def __init__(self, reader: BagReader, path: Path) -> None:
        self._reader, self._path = reader, path
        by_count = sorted(reader.connections, key=lambda c: c.msgcount)
        self.types = {c.topic: c.msgtype for c in by_count if c.msgcount}

    def topics(self, kinds: Collection[str]) -> list[str]:
        """The topics of these message types, by name."""
        return sorted(topic for topic, kind in self.types.items() if kind in kinds)

    def connections(self, topic: str) -> list[BagConnection]:
        """The connections of a topic that are of its type."""
        return [c for c in self._reader.connections if (c.topic, c.msgtype) == (topic, self.types[topic])]

    def info(self, topic: str) -> TopicInfo:
        """Frame, number and size of the messages of a topic. The number is 0 for a camera_info without a calibration.

        The size is 0 if no message that was tried can be decoded.
        """
        kind, seen = self.types[topic], list[tuple[str, tuple[int, int] | None]]()
        connections = self.connections(topic)
        video = VideoDecoder(kind) if kind in VIDEO_MESSAGES else None
        with bag_errors(self._path, "bag.unreadable"):
            for _, _, raw in islice(self._reader.messages(connections), KEYFRAME_WITHIN if video else TRIED):
                seen.append(self._seen(kind, topic, raw, video))
                if sum(size is not None for _, size in seen) == (1 if video else SAMPLES):
                    break
        sizes = sorted((size for _, size in seen if size is not None), key=prod)
        width, height = sizes[len(sizes) // 2] if sizes else (0, 0)
        frame = next((frame for frame, _ in seen if frame), "")
        count = sum(c.msgcount for c in connections)
        return TopicInfo(topic, frame, count if kind not in INFO_TYPES or sizes else 0, width, height)

    def _seen(
        self, kind: str, topic: str, raw: bytes, video: VideoDecoder | None
    ) -> tuple[str, tuple[int, int] | None]:
        """Frame of a message, and its size or none if it cannot be used."""
        frame = ""
        try:
            with bag_errors(self._path, "bag.message"):
                frame = read_header(raw, self._reader.is2, check=False)[1]
                message = self._reader.deserialize(raw, kind)
                return frame, message_size(kind, topic, video.frame(message) if video else message)
        except InputError:
            return frame, None


class TopicChoice:
    """The choice among the topics of an open bag. `topics` has the chosen ones, `notes` the reasons in words.

    The camera_info is chosen by `chosen_info`, since its messages may turn out to be unusable. Raises InputError
    `bag.topics` if a wanted topic or a whole kind is missing.
    """

    def __init__(self, reader: BagReader, path: Path, wanted: BagTopics) -> None:
        survey = TopicSurvey(reader, path)
        self._types = survey.types
        image_names = self._named(wanted.image, IMAGE_MESSAGES, "image")
        cloud_names = self._named(wanted.cloud, CLOUD_MESSAGES, "cloud")
        info_names = self._named(wanted.camera_info, INFO_TYPES, "camera_info")
        if wanted.pose != BagTopics().pose or wanted.pose in self._types:
            self._named(wanted.pose, POSE_TYPES, "pose")
        self._images, clouds, self._infos = (
            [survey.info(name) for name in names] for names in (image_names, cloud_names, info_names)
        )
        self._infos = [info for info in self._infos if info.count]
        images = choose_image(self._images, self._infos, clouds)
        cloud = choose_cloud(clouds, self._infos)
        self._image = next((info for info in self._images if info.name == wanted.image), images.best)
        self.topics = replace(wanted, image=self._image.name, cloud=wanted.cloud or cloud.best.name)
        self._texts = [
            f"images of {wanted.image or images.text}",
            f"clouds of {wanted.cloud or cloud.text}",
        ]

    @property
    def types(self) -> dict[str, str]:
        """Message types of the topics of images and clouds. Other messages of a topic are not read."""
        return {topic: self._types[topic] for topic in (self.topics.image, self.topics.cloud)}

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the images in px; none if those that were tried cannot be decoded."""
        return (self._image.width, self._image.height) if self._image.width else None

    def chosen_info(self, usable: Collection[str]) -> str:
        """The camera_info topic of the images, among those with usable messages; empty if there is none."""
        if self.topics.camera_info:
            return self.topics.camera_info if self.topics.camera_info in usable else ""
        infos = [info for info in self._infos if info.name in usable]
        beside = next((info for info in infos if info.name == self._image.camera_info), None)
        found = find_info(self._image, infos, self._images) or beside  # the latter of another size, which is refused
        return "" if found is None else found.name

    def notes(self, info: str, matrices: str) -> list[str]:
        """What is read and what is not, and a doubt about the camera_info, in words.

        `matrices` are those of the camera_info that are in use.
        """
        doubts = [frame_doubt(self._image, other) for other in self._infos if other.name == info]
        return ["reads " + ", ".join([*self._texts, f"camera_info of {info}: {matrices}"]), *filter(None, doubts)]

    def describe_infos(self, usable: Collection[str]) -> str:
        """The usable camera_info topics with their frames and sizes, in words."""
        infos = sorted((info for info in self._infos if info.name in usable), key=lambda info: info.name)
        return ", ".join(f"{i.name} (frame {i.frame!r}, {i.width}x{i.height})" for i in infos) or "no topic"

    def _named(self, wanted: str, allowed: Collection[str], what: str) -> list[str]:
        """The topics of the allowed types. `what` is the kind of topic, for the message."""
        candidates = sorted(topic for topic, kind in self._types.items() if kind in allowed)
        if candidates and (not wanted or wanted in candidates):
            return candidates
        there = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(self._types.items())) or "no messages"
        missing = f"no {what} topic {wanted}".rstrip()
        raise InputError(f"the bag has {missing} of type {' or '.join(allowed)}; it has {there}", "bag.topics")


def message_size(kind: str, topic: str, message: Any) -> tuple[int, int]:
    """Width and height of an image, a frame of a video or the image of a camera_info in px, or the number of points
    of a cloud and 1."""
    if kind in INFO_TYPES:
        if not attribute(message, "k", "K")[0] and not attribute(message, "p", "P")[0]:
            raise InputError("the camera is not calibrated", "camera_info.uncalibrated")
        width, height = message.roi.width or message.width, message.roi.height or message.height
        return width // (message.binning_x or 1), height // (message.binning_y or 1)
    if kind in IMAGE_MESSAGES:
        height, width = IMAGE_MESSAGES[kind](message, topic).shape[:2]
        return width, height
    return len(CLOUD_MESSAGES[kind](message, "")), 1

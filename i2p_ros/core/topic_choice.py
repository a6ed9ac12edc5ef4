# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics are the camera and the lidar: a choice by frame, size, rate and name. It has no ROS types."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

TRANSPORTS = ("compressed", "compressedDepth", "theora", "ffmpeg", "foxglove", "zstd", "zlib", "draco", "cloudini")
LEAST_SHARE = 0.15  # of the messages of the most frequent topic of a kind; with fewer a topic is no steady sensor
NO_PHOTOGRAPH = (  # beginnings of words in the names of pictures that no colour camera has taken
    "depth", "disparity", "debug", "detect", "annotat", "overlay", "segment", "mask", "nearir", "infra", "range",
    "reflec", "signal", "thermal",
)  # fmt: skip
NO_SWEEP = ("aligned", "obstacle", "object", "cluster", "map", "radar", "depth", "stereo")  # the same for clouds


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """Properties of a topic that the choice depends on.

    `frame` is that of the headers, and empty if it is unknown. `count` is the number of messages. `width` and `height`
    are the size of an image, or of the image of a camera_info, in px. Of a cloud they are its columns and rows. They
    are 0 if the messages cannot be decoded.
    """

    name: str
    frame: str = ""
    count: int = 0
    width: int = 0
    height: int = 0

    @property
    def size(self) -> int:
        """Number of pixels or points."""
        return self.width * self.height

    @property
    def base(self) -> str:
        """The name without the last part that names a transport, such as /compressed."""
        head, _, last = self.name.rpartition("/")
        return head if last in TRANSPORTS else self.name

    @property
    def camera_info(self) -> str:
        """Name of the camera_info beside an image, as image_transport defines it."""
        return self.base.rpartition("/")[0] + "/camera_info"


Key = tuple[bool, bool, bool, bool, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The topics of one kind, the best one first. The first `equal` topics differ in nothing that the choice uses."""

    ranked: tuple[TopicInfo, ...]
    equal: int = 1

    @property
    def best(self) -> TopicInfo:
        """The chosen topic."""
        return self.ranked[0]

    @property
    def text(self) -> str:
        """The chosen topic, and the topics that are not used."""
        rivals, others = self.ranked[1 : self.equal], self.ranked[self.equal :]
        parts = [f"{_names(rivals)} would do as well"] * bool(rivals) + [f"not {_names(others)}"] * bool(others)
        return self.best.name + (f" ({'; '.join(parts)})" if parts else "")


def choose_image(images: Collection[TopicInfo], infos: Collection[TopicInfo], clouds: Collection[TopicInfo]) -> Choice:
    """The image topics, of which the best one is most like a camera.

    A camera's images can be decoded and have a camera_info. Their frame is not that of a cloud, in which lidars send
    pictures of their own; the frame of a depth camera's cloud has a camera_info. They come steadily, and have the most
    pixels.
    """
    most, camera_frames = max(image.count for image in images), {info.frame for info in infos}
    cloud_frames = {cloud.frame for cloud in clouds} - camera_frames - {""}

    def key(image: TopicInfo) -> Key:
        is_lidars = image.frame in cloud_frames or _is_named(image.name, NO_PHOTOGRAPH)
        calibrated = find_info(image, infos, images) is not None
        return not image.size, not calibrated, is_lidars, image.count < LEAST_SHARE * most, -image.size

    return _ranked(images, key)


def choose_cloud(clouds: Collection[TopicInfo], infos: Collection[TopicInfo]) -> Choice:
    """The cloud topics, of which the best one is most like a lidar.

    A lidar's clouds can be decoded. Their frame is not that of a camera, as it is of a depth camera's clouds. They come
    steadily, and have the most points.
    """
    most, camera_frames = max(cloud.count for cloud in clouds), {info.frame for info in infos} - {""}

    def key(cloud: TopicInfo) -> Key:
        is_cameras = cloud.frame in camera_frames
        is_rare = cloud.count < LEAST_SHARE * most
        return not cloud.size, is_cameras, is_rare, _is_named(cloud.name, NO_SWEEP), -cloud.size

    return _ranked(clouds, key)


def find_info(image: TopicInfo, infos: Collection[TopicInfo], images: Collection[TopicInfo]) -> TopicInfo | None:
    """The camera_info of an image topic, or none: the one beside it, else one of its frame and size that is not beside
    the images of another camera: drivers give several cameras one frame.

    One of unknown frame counts if it is the only one, its size fits, and there are no images of another camera.
    """
    others = {other.camera_info for other in images if other.base != image.base} - {image.camera_info}
    fitting = [info for info in infos if _fits(image, info) and info.name not in others]
    for info in fitting:
        if info.name == image.camera_info:
            return info
    same_frame = [info for info in fitting if info.frame == image.frame != ""]
    if same_frame:
        return min(same_frame, key=lambda info: (-_shared(info.name, image.name), info.name))
    alone = len(infos) == 1 and len({other.base for other in images}) <= 1
    return fitting[0] if alone and fitting and not (fitting[0].frame and image.frame) else None


def frame_doubt(image: TopicInfo, info: TopicInfo) -> str:
    """Why a camera_info may be that of another camera than the images: their frames differ. Else empty."""
    if not image.frame or not info.frame or image.frame == info.frame:
        return ""
    return (
        f"camera_info on {info.name} is of the frame {info.frame!r}, but images on {image.name} are of the frame "
        f"{image.frame!r}: is it the calibration of this camera?"
    )


def _fits(image: TopicInfo, info: TopicInfo) -> bool:
    """Whether the sizes agree, or the image is binned by a whole number. An unknown size fits."""
    if not image.size or not info.size:
        return True
    n = info.width // image.width
    return n >= 1 and (n * image.width, n * image.height) == (info.width, info.height)


def _ranked(topics: Collection[TopicInfo], key: Callable[[TopicInfo], Key]) -> Choice:
    """The topics in order of their keys. Of equal ones, those without a transport come first, then by name.

    Topics of one camera that differ in the transport alone are no rivals.
    """
    ranked = sorted(topics, key=lambda topic: (key(topic), topic.base != topic.name, topic.name))
    best = ranked[0]
    rivals = [topic for topic in ranked[1:] if key(topic) == key(best) and topic.base != best.base]
    others = [topic for topic in ranked[1:] if topic not in rivals]
    return Choice((best, *rivals, *others), 1 + len(rivals))


def _shared(one: str, other: str) -> int:
    """Number of parts with which both names begin."""
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs))


def _is_named(name: str, beginnings: Sequence[str]) -> bool:
    words = re.split(r"[^a-z]+", name.lower())
    return any(word.startswith(beginning) for word in words for beginning in beginnings)


def _names(topics: Sequence[TopicInfo], most: int = 5) -> str:
    more = [f"{len(topics) - most} more"] * (len(topics) > most)
    return ", ".join([topic.name for topic in topics[:most]] + more)

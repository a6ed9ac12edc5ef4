# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera of a bag: its calibration against the size of its images, and what some of the images show."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.messages import IMAGE_MESSAGES
from i2p_ros.core.thumbnails import image_change, thumbnail
from i2p_ros.core.topic_choice import TopicInfo, frame_doubt
from i2p_ros.inspection.bag_samples import BagSamples
from i2p_ros.inspection.result import CameraSummary, FindingList
from i2p_ros.inspection.views import judge_images, lens_of
from i2p_ros.sources.bag_cameras import InfoDecoder
from i2p_ros.sources.bag_reader import BagReader

REFUSALS = {  # reason of an InputError -> code of a finding
    "camera_info.uncalibrated": "camera_info.uncalibrated",
    "camera_info.distortion_model": "camera_info.lens",
    "camera_info.size": "camera_info.size",
    "image.size": "camera_info.size",
}


@dataclass(frozen=True, slots=True)
class SampledImages:
    """Thumbnails of some images of a topic, their changes in grey levels, and the size of the images in px."""

    thumbnails: tuple[Array, ...]
    changes: tuple[float, ...]
    size: tuple[int, int]


def sampled_images(samples: BagSamples, kind: str, topic: str, findings: FindingList) -> SampledImages | None:
    """Some images; none with a finding if none of them can be decoded."""

    def seen(message: Any) -> tuple[Array, tuple[int, int]]:
        image = IMAGE_MESSAGES[kind](message, topic)
        return thumbnail(image), (image.shape[1], image.shape[0])

    found = [image for _, image in samples.decoded(topic, seen)]
    if not found:
        why = next(iter(samples.refused[topic]), "there is no keyframe near the places that were tried")
        findings.add("image.undecodable", f"no image of {topic} can be decoded: {why}")
        return None
    thumbnails = tuple(small for small, _ in found)
    judge_images(thumbnails, findings)
    changes = tuple(image_change(before, after) for before, after in pairwise(thumbnails))
    return SampledImages(thumbnails, changes, found[0][1])


def inspect_camera(
    reader: BagReader, samples: BagSamples, image: TopicInfo, info: TopicInfo | None, size: tuple[int, int] | None,
    settings: Settings, findings: FindingList,
) -> tuple[CameraSummary, Camera | None]:  # fmt: skip
    """The camera of the images of a topic, of a size in px; no Camera, with a finding, if it cannot be used."""
    width, height = size or (image.width, image.height)
    summary = CameraSummary(image.name, image.frame, width, height)
    if info is None:
        return summary, None
    decoder = InfoDecoder(reader, image.name, settings.node.rectified, size)
    cameras, refusals = list[Camera](), list[InputError]()
    for _, found in samples.raw(info.name, lambda connection, raw: _camera(decoder, connection, raw)):
        (cameras if isinstance(found, Camera) else refusals).append(found)  # type: ignore[arg-type]
    if not cameras:
        _refuse(info.name, refusals, findings)
        return CameraSummary(image.name, image.frame, width, height, camera_info=info.name), None
    try:
        camera = cameras[0].fitted(width, height) if size else cameras[0]
        lens = lens_of(camera, findings)
    except InputError as error:
        _refuse(info.name, [error], findings)
        return CameraSummary(image.name, image.frame, width, height, camera_info=info.name), None
    if any(before != after for before, after in pairwise(cameras)):
        findings.add("camera_info.changes", f"{info.name} changes within the recording")
    for doubt in decoder.doubts(info.name):
        findings.add("camera_info.contradiction", doubt)
    if doubt := frame_doubt(image, info):
        findings.add("camera_info.frame", doubt)
    matrix = decoder.matrices(info.name)
    return CameraSummary(image.name, image.frame, width, height, lens, info.name, matrix), camera


def _camera(decoder: InfoDecoder, connection: Any, raw: bytes) -> Camera | InputError:
    try:
        return decoder.camera(connection, raw)
    except InputError as error:
        return error


def _refuse(topic: str, errors: list[InputError], findings: FindingList) -> None:
    reason = errors[0].reason if errors else ""
    text = f"{topic}: {errors[0]}" if errors else f"no message of {topic} can be decoded"
    findings.add(REFUSALS.get(reason, "camera_info.invalid"), text)

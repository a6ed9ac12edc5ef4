# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are the camera, its calibration and the lidar, and what speaks against the choice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from i2p_ros.core.config import TopicSettings
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.messages import CLOUD_MESSAGES, IMAGE_MESSAGES
from i2p_ros.core.topic_choice import Choice, TopicInfo, choose_cloud, choose_image, find_info
from i2p_ros.inspection.result import FindingList
from i2p_ros.sources.bag_topics import INFO_TYPES, TopicSurvey


@dataclass(frozen=True, slots=True)
class SensorTopics:
    """The topics of a bag that are read. None where there is none."""

    image: TopicInfo | None
    cloud: TopicInfo | None
    camera_info: TopicInfo | None


def sensor_topics(survey: TopicSurvey, wanted: TopicSettings, findings: FindingList) -> SensorTopics:
    """The wanted topics, or else those that RosbagSource would choose."""
    images = [survey.info(topic) for topic in survey.topics(IMAGE_MESSAGES)]
    clouds = [survey.info(topic) for topic in survey.topics(CLOUD_MESSAGES)]
    every = [survey.info(topic) for topic in survey.topics(INFO_TYPES)]
    usable = [info for info in every if info.count]
    image = _one(images, wanted.image, "image", lambda: choose_image(images, usable, clouds), findings)
    cloud = _one(clouds, wanted.points, "cloud", lambda: choose_cloud(clouds, usable), findings)
    info = None if image is None else _info(image, images, every, usable, wanted.camera_info, findings)
    return SensorTopics(image, cloud, info)


def _one(
    topics: Collection[TopicInfo], wanted: str, sensor: str, choose: Callable[[], Choice], findings: FindingList
) -> TopicInfo | None:
    """The wanted topic, or the chosen one; none with a finding if there is no such topic."""
    if wanted:
        return _named(topics, wanted, sensor, findings)
    if not topics:
        findings.add(f"{sensor}.missing")
        return None
    choice = choose()
    if choice.equal > 1:
        findings.add("topics.several", f"{sensor}s are those of {choice.text}")
    return choice.best


def _named(topics: Collection[TopicInfo], wanted: str, sensor: str, findings: FindingList) -> TopicInfo | None:
    found = next((topic for topic in topics if topic.name == wanted), None)
    if found is None:
        names = [topic.name for topic in topics]
        there, hint = ", ".join(names) or "none", did_you_mean(wanted, names)
        findings.add("topics.unknown", f"there is no {sensor} topic {wanted}; there are: {there}.{hint}")
    return found


def _info(
    image: TopicInfo, images: Collection[TopicInfo], every: Collection[TopicInfo], usable: Collection[TopicInfo],
    wanted: str, findings: FindingList,
) -> TopicInfo | None:  # fmt: skip
    """The camera_info of an image; else one that was probably meant to be, whose fault is then found."""
    if wanted:
        return _named(every, wanted, "camera_info", findings)
    beside = next((info for info in every if info.name == image.camera_info), None)
    same_frame = [info for info in every if info.frame == image.frame != ""]
    found = find_info(image, usable, images) or beside or (same_frame[0] if len(same_frame) == 1 else None)
    if found is None:
        there = ", ".join(info.name for info in every)
        findings.add("camera_info.missing", f"{image.name} has no camera_info" + (f"; there are {there}" * bool(there)))
    return found

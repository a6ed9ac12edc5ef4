# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Search for the topics of one camera and one lidar in the ROS graph, by type, frame, size and rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from i2p_ros.core.config import NodeSettings
from i2p_ros.core.errors import I2PError
from i2p_ros.core.messages import (
    CLOUD_MESSAGES,
    IMAGE_MESSAGES,
    IMAGE_TRANSPORTS,
    VIDEO_MESSAGES,
    VideoDecoder,
    frame_name,
)
from i2p_ros.core.messages.reading import attribute
from i2p_ros.core.topic_choice import Choice, TopicInfo, choose_cloud, choose_image, find_info
from i2p_ros.ros.messages import message_class
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.sources.bag_topics import INFO_TYPES, SAMPLES, message_size

LOOK_S = 0.25  # period at which the graph is looked at
WATCH_S = 2.0  # messages are counted for so long after the last new topic, before a choice
REPEAT_S = 10.0  # period at which the same message is logged again
VIDEO_QUEUE = 100  # messages
KINDS = {"image": IMAGE_MESSAGES.keys(), "points": CLOUD_MESSAGES.keys(), "camera_info": INFO_TYPES}
TRANSPORTS = {kind: transport for transport, kind in IMAGE_TRANSPORTS.items()}
WORDS = {"image": "images", "points": "clouds", "camera_info": "camera_info"}


class _UndecidedError(I2PError):
    """Why no topics can be chosen yet."""


@dataclass
class _Candidate:
    """A topic that is listened to."""

    topic: str
    kind: str  # message type
    subscription: Any = None
    frame: str = ""
    count: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    tried: int = 0
    video: VideoDecoder | None = None

    def hear(self, message: Any) -> None:
        """Count a message. The first ones are decoded for their size."""
        self.count += 1
        if len(self.sizes) >= SAMPLES or (self.video is None and self.tried >= SAMPLES):
            return
        self.tried += 1
        try:
            if self.video is not None:
                message = self.video.frame(message)
            self.frame = self.frame or frame_name(attribute(attribute(message, "header"), "frame_id"))
            self.sizes.append(message_size(self.kind, self.topic, message))
        except I2PError:
            pass  # a topic whose messages cannot be decoded has no size, and is not chosen

    @property
    def info(self) -> TopicInfo:
        """Properties for the choice."""
        width, height = self.sizes[-1] if self.sizes else (0, 0)
        return TopicInfo(self.topic, self.frame, self.count, width, height)


class TopicSearch:
    """Listens to all images, clouds and camera_infos of the graph until there is one sensible choice.

    Then it ends, and `on_found` is called with the topics. A remapped topic is not searched, nor is one that is
    published under the node's own name for it. `text` says what is missing, or between which topics to choose.
    """

    def __init__(self, node: Node, settings: NodeSettings, on_found: Callable[[InputTopics], None]) -> None:
        self.text = "looking for topics of images, clouds and camera_info"
        self._node, self._settings, self._on_found = node, settings, on_found
        self._candidates: dict[str, _Candidate] = {}
        self._refused: dict[str, str] = {}  # by topic: why it cannot be listened to
        self._changed = time.monotonic()
        self._told: tuple[str, float] = ("", 0.0)
        self._timer = node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """End the search."""
        self._node.destroy_timer(self._timer)
        for candidate in self._candidates.values():
            self._node.destroy_subscription(candidate.subscription)
        self._candidates.clear()

    def _look(self) -> None:
        """Follow the graph, and choose when it has been the same for a while."""
        graph = self._node.get_topic_names_and_types()
        present = {topic: kinds[0] for topic, kinds in graph if self._is_input(topic, kinds)}
        given = self._given(present.keys())
        if given.keys() != KINDS.keys():
            self._listen_to(present)
            if time.monotonic() - self._changed < WATCH_S:
                return
        try:
            topics = self._chosen(given)
        except _UndecidedError as error:
            self._tell(str(error))
            return
        self.close()
        names = f"images on {topics.image}, clouds on {topics.points}, camera_info on {topics.camera_info}"
        self._node.get_logger().info(f"topics: {names}")
        self._on_found(topics)

    def _is_input(self, topic: str, kinds: Sequence[str]) -> bool:
        """Whether a topic is of a type that is read, and another node publishes it."""
        own = f"{self._node.get_fully_qualified_name()}/"
        readable = any(kinds[0] in readable for readable in KINDS.values())
        return readable and not topic.startswith(own) and self._node.count_publishers(topic) > 0

    def _listen_to(self, present: Mapping[str, str]) -> None:
        """Subscribe to new topics, and unsubscribe from those that have gone."""
        for topic in self._candidates.keys() - present.keys():
            self._node.destroy_subscription(self._candidates.pop(topic).subscription)
            self._changed = time.monotonic()
        for topic in present.keys() - self._candidates.keys() - self._refused.keys():
            self._changed = time.monotonic()
            try:
                self._subscribe(topic, present[topic])
            except I2PError as error:
                self._refused[topic] = str(error)

    def _subscribe(self, topic: str, kind: str) -> None:
        video = VideoDecoder(kind) if kind in VIDEO_MESSAGES else None
        candidate = _Candidate(topic, kind, video=video)
        qos = QoSProfile(depth=VIDEO_QUEUE if video else 5, reliability=ReliabilityPolicy.BEST_EFFORT)
        candidate.subscription = self._node.create_subscription(message_class(kind), topic, candidate.hear, qos)
        self._candidates[topic] = candidate

    def _given(self, present: Collection[str]) -> dict[str, str]:
        """The topics that need no search, by kind: remapped ones, and those published under the node's own names."""
        transport = self._settings.image_transport
        found = {}
        for kind in KINDS:
            name = self._node.resolve_topic_name(kind)
            published = f"{name}/{transport}" if kind == "image" and transport != "raw" else name
            is_remapped = name != f"{self._node.get_namespace().rstrip('/')}/{kind}"
            if is_remapped or published in present:
                found[kind] = name
        return found

    def _chosen(self, given: Mapping[str, str]) -> InputTopics:
        """The topics to use. Raises _UndecidedError if a kind of topic is missing or ambiguous.

        Topics that need no search keep the node's own names, which may be remapped.
        """
        topics = InputTopics()
        if given.keys() == KINDS.keys():
            return topics
        images, clouds = self._infos("image"), self._infos("points")
        infos = [info for info in self._infos("camera_info") if info.size]
        if "image" in given:
            name = given["image"]
            image = next((info for info in images if info.base == name), TopicInfo(name))
        else:
            image = self._one("image", images, lambda: choose_image(images, infos, clouds))
            topics = replace(topics, image=image.base, image_transport=self._transport(image))
        if "points" not in given:
            cloud = self._one("points", clouds, lambda: choose_cloud(clouds, infos))
            topics = replace(topics, points=cloud.name, cloud_type=self._candidates[cloud.name].kind)
        if "camera_info" not in given:
            info = find_info(image, infos, images)
            if info is None:
                raise _UndecidedError(self._missing("camera_info", f" with a calibration that fits {image.name}"))
            topics = replace(topics, camera_info=info.name)
        return topics

    def _one(self, kind: str, infos: Sequence[TopicInfo], choose: Callable[[], Choice]) -> TopicInfo:
        """The one sensible choice. Raises _UndecidedError if there is none, or if there are several."""
        if not any(info.size for info in infos):
            raise _UndecidedError(self._missing(kind, " whose messages can be decoded" if infos else ""))
        choice = choose()
        if choice.equal > 1:
            names = ", ".join(info.name for info in choice.ranked[: choice.equal])
            raise _UndecidedError(
                f"several topics of {WORDS[kind]} would do: {names}; choose one by {kind}:=TOPIC of the launch file, "
                f"or by --remap {kind}:=TOPIC"
            )
        return choice.best

    def _missing(self, kind: str, which: str) -> str:
        """What is missing, and what there is instead."""
        there = ", ".join(sorted(topic for topic, c in self._candidates.items() if c.kind in KINDS[kind])) or "none"
        refused = "".join(f"; {topic}: {why}" for topic, why in sorted(self._refused.items()))
        return f"waiting for a topic of {WORDS[kind]}{which}; there are: {there}{refused}"

    def _infos(self, kind: str) -> list[TopicInfo]:
        """Properties of the topics of a kind. An image with a transport has the name of it at its end."""
        found = [c for c in self._candidates.values() if c.kind in KINDS[kind]]
        if kind == "image":
            found = [c for c in found if c.topic == _topic(c.info.base, c.kind)]
        return [candidate.info for candidate in sorted(found, key=lambda c: c.topic)]

    def _transport(self, image: TopicInfo) -> str:
        return TRANSPORTS[self._candidates[image.name].kind]

    def _tell(self, text: str) -> None:
        """Log what the search waits for: at once if it has changed, and again after a while."""
        self.text, now = text, time.monotonic()
        if text != self._told[0] or now - self._told[1] >= REPEAT_S:
            self._told = text, now
            self._node.get_logger().warning(text)


def _topic(base: str, kind: str) -> str:
    """The topic on which image_transport sends messages of a type."""
    return base if TRANSPORTS[kind] == "raw" else f"{base}/{TRANSPORTS[kind]}"

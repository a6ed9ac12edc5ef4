# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of one camera and one lidar, and the pairing of their messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo

from i2p_ros.core.clock_offset import OffsetWatch
from i2p_ros.core.config import Settings
from i2p_ros.core.deskew import deskewed, time_span
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import (
    IMAGE_TRANSPORTS,
    VIDEO_MESSAGES,
    VideoDecoder,
    frame_name,
    matrix_name,
    named_rectified,
    stamp_ns,
    stamp_of,
)
from i2p_ros.core.pairing import Pairer
from i2p_ros.core.topic_choice import TopicInfo, frame_doubt
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.ros.messages import cloud_class, message_class
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.pair_checks import PairChecks
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.tf_listener import TfListener

Stamped = tuple[int, Any]  # the stamp (ns) that a message is paired by, and the message
QUEUE = 5  # messages, as in rmw_qos_profile_sensor_data
VIDEO_QUEUE = 100  # messages: after a lost one no image is usable until the next keyframe
SAME_OFFSET_NS = 10**9  # measured offsets of clocks that differ by less are the same: delays vary
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE


class Inputs:
    """Subscriptions and pairing. Each pair goes to `on_pair` as a job with the present `settings`.

    `on_reset` is called with a reason when earlier pairs must not be compared with later ones. Callbacks run in the
    node's executor. Another thread may call `decoded`.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, tf: TfListener | None, health: Health,
        on_pair: Callable[[PairJob], None], on_reset: Callable[[str], None], topics: InputTopics | None = None,
    ) -> None:  # fmt: skip
        """`topics` are by default those of the names `camera` and `lidar`."""
        self.settings, self.health = settings, health
        self.checks = PairChecks(health, node.get_logger().warning)
        self._node, self._tf, self._on_pair, self._on_reset = node, tf, on_pair, on_reset
        self._info: CameraInfo | None = None
        pairing = settings.pairing
        offsets = int(pairing.time_offset_s * 1e9), int(pairing.image_time_offset_s * 1e9)
        self._pairer: Pairer[Stamped, Stamped] = Pairer(int(pairing.slop_s * 1e9), *offsets)
        by_stamp = pairing.correct_clock and not pairing.use_arrival_time and not any(offsets)
        self._watch = OffsetWatch() if by_stamp else None
        self._subscriptions: list[Any] = []
        try:
            self._subscribe(topics or InputTopics.named(camera, lidar))
        except Exception:
            self.close()
            raise

    @property
    def values(self) -> dict[str, Any]:
        """Values for the diagnostics: source of the calibration, time gap of the sensors, and those of the checks."""
        gap = self._pairer.median_gap_ns()
        values = {"calibration": f"{self._info_topic}, {self._camera_source}", **self.checks.values}
        return values if gap is None else {**values, "median_gap_ms": gap / 1e6}

    def close(self) -> None:
        """Destroy the subscriptions, and release the callbacks: the executor may hold a subscription for a while."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._on_pair = self._on_reset = _ignore

    def jumped_back(self) -> None:
        """Start again after a jump of /clock. Messages that wait are paired before, or counted as dropped."""
        self._collect(self._pairer.reset, self._node.get_clock().now().nanoseconds)

    def decoded(self, job: PairJob) -> Pair:
        """The pair, with its cloud as it was at the time of the image. Raises InputError."""
        self._check_frames(job)
        pair, camera = job.decoded(self._image_topic)
        self._camera_source = camera.source
        if camera.doubt:
            self.checks.warn_once("camera_info", camera.doubt)
        if changed := self.checks.check(pair):  # two drivers on one topic change it with every pair
            self._node.get_logger().warning(changed, throttle_duration_sec=1.0)
            self._on_reset(changed)
        return replace(pair, cloud=self._compensated(job, pair.cloud))

    def warn(self, text: str) -> None:
        """Log a warning, at most one a second."""
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)

    def listen(
        self, kind: type, topic: str, callback: Any, reliability: ReliabilityPolicy, depth: int = QUEUE
    ) -> None:  # fmt: skip
        """Subscribe with a short queue: while the node is busy, messages wait in it. QoS overrides apply."""

        def incompatible(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            self.health.drop("qos.incompatible")
            self.warn(f"{name}: a publisher's {policy} does not fit this node's {qos}; see qos_overrides.{name}")

        name, qos = self._node.resolve_topic_name(topic), reliability.name
        self._subscriptions.append(
            self._node.create_subscription(
                kind, topic, callback, QoSProfile(depth=depth, reliability=reliability),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )  # fmt: skip

    def _subscribe(self, topics: InputTopics) -> None:
        """Subscribe to camera_info first, so that it is read first of messages that arrive together."""
        node, topic = self.settings.node, self._node.resolve_topic_name(topics.image)
        self._image_topic, kind = topic, IMAGE_TRANSPORTS[node.image_transport]
        self._camera_source = matrix_name(named_rectified(topic) if node.rectified is None else node.rectified)
        if node.image_transport != "raw":  # a remap of `image` alone would not reach image/compressed
            topic = f"{topic}/{node.image_transport}"
        self._video = VideoDecoder(kind) if kind in VIDEO_MESSAGES else None
        self._info_topic = self._node.resolve_topic_name(topics.camera_info)
        self.listen(CameraInfo, topics.camera_info, self._on_info, BEST_EFFORT)
        image, depth = message_class(kind), VIDEO_QUEUE if self._video else QUEUE
        self.listen(image, topic, lambda message: self._on_input("image", message), BEST_EFFORT, depth)
        cloud = cloud_class(node.cloud_type)
        self.listen(cloud, topics.points, lambda message: self._on_input("points", message), BEST_EFFORT)

    def _on_info(self, message: CameraInfo) -> None:
        self.health.arrived("camera_info")
        self._info = message

    def _on_input(self, kind: str, message: Any) -> None:
        """Pair the message by its stamp. Every message of a video is decoded, since later ones depend on it."""
        self.health.arrived(kind)
        now = self._node.get_clock().now().nanoseconds or None
        try:
            if kind == "image" and self._video is not None:
                message = self._video.frame(message)
            self._correct_clock(kind, message, now)
            stamp = self._stamp(kind, message, now)
        except InputError as error:
            self.health.drop(error.reason)
            self.warn(f"{kind} dropped: {error}")
            return
        add = self._pairer.add_image if kind == "image" else self._pairer.add_cloud
        self._collect(lambda: add(stamp, (stamp, message)), stamp)

    def _stamp(self, kind: str, message: Any, now: int | None) -> int:
        """Time by which a message is paired, ns. Raises InputError for a stamp that is in the future by all clocks."""
        by_arrival = self.settings.pairing.use_arrival_time
        offset = self._pairer.image_offset_ns if kind == "image" else self._pairer.time_offset_ns
        if self._watch is not None and self._pairer.time_offset_ns:  # either clock may be the wrong one
            offset = min(offset, -self._watch.ahead_ns(kind))
        sensors_now = now if now is None or by_arrival else now - offset
        return stamp_of(message, sensors_now, by_arrival)

    def _correct_clock(self, kind: str, message: Any, now: int | None) -> None:
        """Correct a constant offset of the clocks that the times of arrival prove, unless the settings have one."""
        if self._watch is None or now is None:
            return
        self._watch.add(kind, stamp_ns(message.header.stamp), now)
        found = self._watch.measured()
        offset = round(found.correction_s * 1e9) if found is not None and found.is_sure else 0
        if found is None or abs(offset - self._pairer.time_offset_ns) < SAME_OFFSET_NS:
            return
        text = f"{found.text}, and is applied" if found.is_sure else ""
        self.health.set_warning("clock", text)
        self.warn(text or "the clocks of camera and lidar agree again")
        self._pairer.correct(offset)

    def _check_frames(self, job: PairJob) -> None:
        """Warn of a camera_info of another frame than the image."""
        if job.info is None:
            return
        image = TopicInfo(self._image_topic, job.camera_frame)
        doubt = frame_doubt(image, TopicInfo(self._info_topic, frame_name(job.info.header.frame_id)))
        self.health.set_warning("camera_info.frame", doubt)
        if doubt:
            self.checks.warn_once("camera_info.frame", doubt)

    def _collect(self, pairing: Callable[[], list[tuple[Stamped, Stamped, int]]], now: int) -> None:
        """Hand over the pairs of the pairer, and count the messages that it drops. If time has jumped, start again."""
        before = self._pairer.dropped.copy()
        pairs = pairing()
        dropped = self._pairer.dropped - before
        for reason in dropped.elements():
            self.health.drop(reason)
        if dropped["time_reset"]:
            if self._watch is not None:
                self._watch.clear()
            self._on_reset("time has jumped")
            if self._tf is not None:
                self._tf.clear_if_ahead(now)
        for (stamp, image), (_, cloud), gap in pairs:
            self._on_pair(PairJob(image, cloud, self._info, stamp, gap / 1e6, self.settings))

    def _compensated(self, job: PairJob, cloud: PointCloud) -> PointCloud:
        """The cloud as it was at the time of the image, if tf has the motion of the lidar."""
        node = job.settings.node
        if not node.motion_compensation or self._tf is None:
            return cloud
        time = job.gap_ms / 1e3
        cloud, why = deskewed(cloud, None, time)
        if why == "deskew.no_motion" and cloud.time is not None:
            first, last = time_span(cloud.time)
            first, last = min(first, time), max(last, time)
            trajectory = self._tf.trajectory(node.odom_frame, job.cloud_frame, job.cloud_stamp, first, last)
            cloud, why = deskewed(cloud, trajectory, time)
        if why:
            self.checks.warn_once(why, f"clouds are used without motion compensation: {why}")
        return cloud


def _ignore(_: Any) -> None:
    pass

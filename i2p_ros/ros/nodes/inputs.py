# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of one camera and one lidar, put together to pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from i2p_ros.core.config import Settings
from i2p_ros.core.deskew import deskewed
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import stamp_of
from i2p_ros.core.pairing import Pairer
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.ros.messages import cloud_class
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.job import Job
from i2p_ros.ros.nodes.watching import Watch

Stamped = tuple[int, Any]  # a message, and the time to pair it by, ns
QUEUE = 5  # messages, as many as rmw_qos_profile_sensor_data has
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE


class Inputs:
    """Subscriptions and pairing. `on_pair` takes each job, `on_reset` hears why what was before counts no more.

    Callbacks run in the node's executor; `decoded` may be called by another thread.
    """

    def __init__(
        self, node: Node, settings: Settings, camera: str, lidar: str, frames: Frames | None, health: Health,
        on_pair: Callable[[Job], None], on_reset: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.settings, self.health = settings, health
        self.watch = Watch(health, node.get_logger().warning)
        self._node, self._frames, self._on_pair, self._on_reset = node, frames, on_pair, on_reset
        self._info: CameraInfo | None = None
        pairing = settings.pairing
        offsets = int(pairing.time_offset_s * 1e9), int(pairing.image_time_offset_s * 1e9)
        self._pairer: Pairer[Stamped, Stamped] = Pairer(int(pairing.slop_s * 1e9), *offsets)
        self._subscriptions: list[Any] = []
        try:
            self._subscribe(f"{camera}/" if camera else "", f"{lidar}/" if lidar else "")
        except Exception:
            self.close()
            raise

    @property
    def known(self) -> dict[str, Any]:
        """What diagnostics say of the calibration, the gap between the sensors, and what `Watch` has noticed."""
        gap = self._pairer.median_gap_ns()
        source = f"{self._info_topic}, {'P of a rectified image' if self._rectified else 'K and D'}"
        values = {"calibration": source, **self.watch.values}
        return values if gap is None else {**values, "median_gap_ms": gap / 1e6}

    def close(self) -> None:
        """Give everything back, and let go of who takes the pairs: the executor may hold a subscription a while."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._on_pair = self._on_reset = _nobody

    def jumped_back(self) -> None:
        """Start anew, for /clock has jumped. What waits for a partner is paired before, or counted."""
        self._collect(self._pairer.reset, self._node.get_clock().now().nanoseconds)

    def decoded(self, job: Job) -> Pair:
        """The pair, looked at by `watch`, its cloud as at the time of the image; raises InputError."""
        node = self.settings.node
        pair = job.decoded(self._rectified, node.intensity_field, node.cloud_type)
        if changed := self.watch.pair(pair):  # two drivers on one topic change it with every pair
            self._node.get_logger().warning(changed, throttle_duration_sec=1.0)
            self._on_reset(changed)
        return replace(pair, cloud=self._compensated(job, pair.cloud))

    def say(self, text: str) -> None:
        """Warn, at most once a second."""
        self._node.get_logger().warning(text, throttle_duration_sec=1.0)

    def listen(self, kind: type, topic: str, callback: Any, reliability: ReliabilityPolicy) -> None:
        """A few are kept while the node is held up, or an image would miss its cloud. Overrides change the profile."""

        def incompatible(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            self.health.drop("qos.incompatible")
            self.say(f"{name}: a publisher's {policy} does not fit this node's {qos}; see qos_overrides.{name}")

        name, qos = self._node.resolve_topic_name(topic), reliability.name
        self._subscriptions.append(
            self._node.create_subscription(
                kind, topic, callback, QoSProfile(depth=QUEUE, reliability=reliability),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=incompatible),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )  # fmt: skip

    def _subscribe(self, camera: str, lidar: str) -> None:
        """camera_info comes first, so that of what arrives together it is read first."""
        node, kind, topic = self.settings.node, Image, self._node.resolve_topic_name(f"{camera}image")
        self._rectified = node.lens == "rectified" or (node.lens == "auto" and "rect" in topic.rpartition("/")[2])
        if node.image_transport == "compressed":  # a remap of `image` alone would not reach image/compressed
            kind, topic = CompressedImage, f"{topic}/compressed"
        self._info_topic = self._node.resolve_topic_name(f"{camera}camera_info")
        self.listen(CameraInfo, f"{camera}camera_info", self._on_info, BEST_EFFORT)
        self.listen(kind, topic, lambda message: self._on_input("image", message), BEST_EFFORT)
        cloud = cloud_class(node.cloud_type)
        self.listen(cloud, f"{lidar}points", lambda message: self._on_input("points", message), BEST_EFFORT)

    def _on_info(self, message: CameraInfo) -> None:
        self.health.arrived("camera_info")
        self._info = message

    def _on_input(self, kind: str, message: Any) -> None:
        """Pair the message by its stamp."""
        self.health.arrived(kind)
        now = self._node.get_clock().now().nanoseconds or None
        try:
            stamp = stamp_of(message, now, self.settings.pairing.use_arrival_time)
        except InputError as error:
            self.health.drop(error.reason)
            self.say(f"{kind} dropped: {error}")
            return
        add = self._pairer.add_image if kind == "image" else self._pairer.add_cloud
        self._collect(lambda: add(stamp, (stamp, message)), stamp)

    def _collect(self, pairing: Callable[[], list[tuple[Stamped, Stamped, int]]], now: int) -> None:
        """Hand over the pairs that the pairer gives, and count what it drops; start anew if time has jumped."""
        before = self._pairer.dropped.copy()
        pairs = pairing()
        dropped = self._pairer.dropped - before
        for reason in dropped.elements():
            self.health.drop(reason)
        if dropped["time_reset"]:
            self._on_reset("time has jumped")
            if self._frames is not None:
                self._frames.clear_if_ahead(now)
        for (stamp, image), (_, cloud), gap in pairs:
            self._on_pair(Job(image, cloud, self._info, stamp, gap / 1e6))

    def _compensated(self, job: Job, cloud: PointCloud) -> PointCloud:
        """The cloud as it would have been seen at the time of the image, where tf knows how the lidar moved."""
        if not self.settings.node.motion_compensation or self._frames is None:
            return cloud
        time = job.gap_ms / 1e3
        cloud, why = deskewed(cloud, None, time)
        if why == "deskew.no_motion" and cloud.time is not None:
            first, last = min(float(cloud.time.min()), time), max(float(cloud.time.max()), time)
            odom = self.settings.node.odom_frame
            trajectory = self._frames.trajectory(odom, job.cloud_frame, job.cloud_stamp, first, last)
            cloud, why = deskewed(cloud, trajectory, time)
        if why:
            self.watch.once(why, f"clouds are taken as they come, without motion compensation: {why}")
        return cloud


def _nobody(_: Any) -> None:
    pass

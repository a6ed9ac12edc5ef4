# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node that sends pairs and faults to the localizer, and counts its answers."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.context import Context
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import stamp_ns
from i2p_ros.ros import messages
from i2p_ros.ros.soak.faults import Parts
from i2p_ros.ros.soak.tally import Tally
from i2p_ros.ros.spinning import SpinningNode

SETTLE_S = 0.05  # between messages whose order matters


class Injector(SpinningNode):
    """Publishers and subscriptions of the soak test. Everything that it sends or receives goes into the tally."""

    def __init__(self, tally: Tally, context: Context, name: str = "localizer") -> None:
        super().__init__("injector", context=context, use_global_arguments=False)
        self.tally = tally
        self.counters: dict[str, int] = {}  # dropped messages by reason, from the diagnostics
        self._image = self.create_publisher(Image, "image", 10)
        self._info = self.create_publisher(CameraInfo, "camera_info", 10)
        self._points = self.create_publisher(PointCloud2, "points", 10)
        self._clock_topic = self.create_publisher(Clock, "/clock", 10)
        self._tf = self.create_publisher(TFMessage, "/tf", 10)
        self.create_subscription(PoseWithCovarianceStamped, f"/{name}/pose", self._on_pose, 100)
        self.create_subscription(DiagnosticArray, f"/{name}/status", self._on_status, 100)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    @property
    def connected(self) -> bool:
        """Whether both nodes receive the messages of the other."""
        return bool(self.counters) and all(p.get_subscription_count() for p in (self._image, self._info, self._points))

    def tick(self, stamp: int) -> None:
        """Set the clock (ns), and wait until the node has it."""
        self._clock_topic.publish(Clock(clock=messages.time_message(stamp)))
        self.spin(SETTLE_S)

    def send(self, parts: Parts, stamp: int, kind: str) -> None:
        """Publish the messages of a pair, and count it under the stamp (ns) that it had before it was spoilt."""
        self.tally.kinds[stamp] = kind
        for name, publisher in (("info", self._info), ("points", self._points), ("image", self._image)):
            if name in parts:
                publisher.publish(parts[name])

    def wait_for(self, stamp: int, seconds: float) -> None:
        """Wait for the answer to a pair, at most for a time."""
        end = time.monotonic() + seconds
        while stamp not in self.tally.answers and time.monotonic() < end:
            self.spin(SETTLE_S)

    def restart_points(self) -> None:
        """Replace the publisher of the clouds, as a lidar driver does that is started again."""
        self.destroy_publisher(self._points)
        self._points = self.create_publisher(PointCloud2, "points", 10)
        end = time.monotonic() + 5.0
        while not self._points.get_subscription_count() and time.monotonic() < end:
            self.spin(SETTLE_S)

    def send_bad_frames(self, stamp: int) -> None:
        """Publish a transform of NaN, a loop and a second parent."""
        broken = messages.transform_stamped(Pose.identity(), messages.header(stamp, "a"), "b")
        broken.transform.rotation.w = float("nan")
        links = (("a", "b"), ("b", "a"), ("c", "b"))
        loop = [messages.transform_stamped(Pose.identity(), messages.header(stamp, p), c) for p, c in links]
        self._tf.publish(TFMessage(transforms=[broken, *loop]))

    def _on_pose(self, message: Any) -> None:
        self.tally.posed.add(stamp_ns(message.header.stamp))

    def _on_status(self, message: Any) -> None:
        values = {value.key: value.value for value in message.status[0].values}
        self.tally.answers[stamp_ns(message.header.stamp)] = values

    def _on_diagnostics(self, message: Any) -> None:
        for value in (value for entry in message.status for value in entry.values):
            if value.key.startswith("dropped."):
                self.counters[value.key.removeprefix("dropped.")] = int(value.value)
        self.counters.setdefault("busy", 0)

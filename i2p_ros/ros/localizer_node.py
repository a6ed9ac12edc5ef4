# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `localizer`: image, camera_info and points in; pose, tf, overlay, status and diagnostics out."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import stamp_ns
from i2p_ros.core.pairing import Pairer
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.ros import messages
from i2p_ros.ros.health import Health
from i2p_ros.ros.job import Job
from i2p_ros.ros.outputs import Outputs
from i2p_ros.ros.parameters import declared_settings
from i2p_ros.ros.running import run
from i2p_ros.ros.worker import NewestWorker

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # sensor data of which only the newest counts
STOP_S = 2.0  # longest wait for the running pair at the end
LEVELS = (messages.OK, messages.WARN, messages.ERROR)


class PairLocalizer(Protocol):
    """What the node needs of i2p_ros.Localizer."""

    def localize_pair(self, pair: Pair) -> PoseEstimate: ...

    def describe(self) -> str: ...


class LocalizerNode(Node):
    """Pairs what arrives, and answers every pair on ~/status: with a pose, or with the reason why there is none."""

    def __init__(self, localizer: PairLocalizer | None = None, **node_arguments: Any) -> None:
        super().__init__("localizer", automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = declared_settings(self)
        self._localizer = localizer or _loaded(self.settings)
        self._health = Health(self.settings.node)
        self._info: CameraInfo | None = None
        self._camera_frame = ""
        self._forget()
        self._outputs = Outputs(self, self.settings.node)
        self._worker = NewestWorker(self._process)
        self._subscribe()
        self._report()
        self.get_logger().info(f"ready: {self._localizer.describe()}")

    def run(self) -> None:
        """Spin until somebody ends it."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(self)
        executor.spin()

    def destroy_node(self) -> None:
        """Let the running pair end, then take the node down."""
        self._worker.stop(STOP_S)
        super().destroy_node()

    def _subscribe(self) -> None:
        """camera_info comes first, so that of what arrives together it is read first."""
        node, kind, topic = self.settings.node, Image, self.resolve_topic_name("image")
        self._rectified = node.lens == "rectified" or (node.lens == "auto" and "rect" in topic.rpartition("/")[2])
        if node.image_transport == "compressed":  # a remap of `image` alone would not reach image/compressed
            kind, topic = CompressedImage, f"{topic}/compressed"
        self._listen(CameraInfo, "camera_info", self._on_info)
        self._listen(kind, topic, lambda message: self._on_input("image", message))
        self._listen(PointCloud2, "points", lambda message: self._on_input("points", message))

    def _listen(self, kind: type, topic: str, callback: Any) -> None:
        options = QoSOverridingOptions.with_default_policies()
        self.create_subscription(kind, topic, callback, NEWEST, qos_overriding_options=options)

    def _report(self) -> None:
        """Diagnostics, by a clock that goes on when /clock does not; and a look at /clock's jumps."""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(self.settings.node.diagnostics_s, self._diagnose, clock=steady)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jumps = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def _forget(self) -> None:
        """Start pairing anew."""
        pairing = self.settings.pairing
        self._pairer: Pairer[Any, Any] = Pairer(int(pairing.slop_s * 1e9), int(pairing.time_offset_s * 1e9))

    def _on_jump(self, jump: Any) -> None:
        self._health.drop("time_reset")
        self._outputs.transforms.clear()
        self._forget()

    def _on_info(self, message: CameraInfo) -> None:
        self._health.arrived("camera_info")
        self._info = message

    def _on_input(self, kind: str, message: Any) -> None:
        """Hand the pairs that the message completes to the worker."""
        self._health.arrived(kind)
        before = self._pairer.dropped.copy()
        try:
            stamp = stamp_ns(message.header.stamp, self.get_clock().now().nanoseconds or None)
        except InputError as error:
            self._health.drop(error.reason)
            self._say(f"{kind} dropped: {error}")
            return
        pairs = (self._pairer.add_image if kind == "image" else self._pairer.add_cloud)(stamp, message)
        for reason in (self._pairer.dropped - before).elements():
            self._health.drop(reason)
        for image, cloud, gap in pairs:
            job = Job(image, cloud, self._info, stamp_ns(image.header.stamp), gap / 1e6)
            overtaken = self._worker.put(job)
            if overtaken is not None:
                self._refuse(overtaken, Status.NOT_PROCESSED, "busy", "a newer pair came before this one's turn")

    def _process(self, job: Job) -> None:
        """The whole way of one pair, in the worker's thread. Nothing is raised: this is the border."""
        try:
            pair = job.decoded(self._rectified, self.settings.node.intensity_field)
            decode_s = job.age_ms / 1e3
            estimate = self._localizer.localize_pair(pair)
            self._outputs.pose(job, estimate)
            self._answer(job, estimate, {"decode": decode_s} | estimate.seconds)
            self._outputs.overlay(job, pair, estimate)
        except InputError as error:
            self._refuse(job, Status.BAD_INPUT, error.reason, str(error))
        except Exception as error:
            if self.context.ok():  # else the node has just been taken down
                self._refuse(job, Status.NOT_PROCESSED, "exception", f"{type(error).__name__}: {error}")

    def _answer(self, job: Job, estimate: PoseEstimate, seconds: dict[str, float]) -> None:
        """Tell how a pair ended. `decode` is the time from its arrival to the start of the localizer."""
        self._camera_frame = job.camera_frame
        self._health.answered(estimate, job.age_ms, job.gap_ms)
        values = {
            "inliers": estimate.n_inliers,
            "residual_px": estimate.residual_px,
            "confidence": estimate.confidence,
            "gap_ms": job.gap_ms,
            "latency_ms": job.age_ms,
            **{f"seconds.{stage}": value for stage, value in seconds.items()},
        }
        self._outputs.status(job, estimate.status, estimate.reason, values)

    def _refuse(self, job: Job, status: Status, reason: str, text: str) -> None:
        """Tell that a pair got no answer; being busy is nothing to warn of each time."""
        self._health.drop(reason)
        if reason != "busy":
            self._say(f"pair dropped: {text}")
        self._outputs.status(job, status, text, {"reason": reason, "inliers": 0, "latency_ms": job.age_ms})

    def _diagnose(self) -> None:
        level, text, values = self._health.report(self._worker.busy_since)
        name = f"{self.get_fully_qualified_name()}: localization"
        values = {"model": self._localizer.describe(), **values}
        entry = messages.diagnostic(LEVELS[level], name, text, values, self._camera_frame)
        head = messages.header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(DiagnosticArray(header=head, status=[entry]))

    def _say(self, text: str) -> None:
        """Warn, at most once a second."""
        self.get_logger().warning(text, throttle_duration_sec=1.0)


def _loaded(settings: Settings) -> PairLocalizer:
    """The real localizer, warm; raises ModelError. The heavy import waits until it is needed."""
    from i2p_ros.localizer import load

    localizer = load(settings.model, settings)
    localizer.warm_up()
    return localizer


def main() -> None:
    """Entry point of `ros2 run i2p_ros localizer`."""
    sys.exit(run(LocalizerNode))


if __name__ == "__main__":
    main()

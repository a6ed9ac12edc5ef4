# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `localizer`: image, camera_info and points in; pose, tf, overlay, status and diagnostics out."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
from sensor_msgs.msg import Image as ImageMessage
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import (
    camera_from_message,
    cloud_from_message,
    frame_name,
    image_from_message,
    stamp_ns,
    transform_from_stamped,
)
from i2p_ros.core.pairing import Pairer
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.pnp.covariance import base_in_map, camera_in_lidar, published
from i2p_ros.ros import messages
from i2p_ros.ros.health import OK, WARN, Health
from i2p_ros.ros.parameters import declared_settings
from i2p_ros.ros.running import run
from i2p_ros.ros.worker import NewestWorker
from i2p_ros.viz.overlays import overlay

SENSOR_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
OVERRIDABLE = QoSOverridingOptions.with_default_policies()
STOP_S = 2.0  # longest wait for the running pair at the end


class PairLocalizer(Protocol):
    """What the node needs of i2p_ros.Localizer."""

    def localize_pair(self, pair: Pair) -> PoseEstimate: ...

    def describe(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Job:
    """Messages that belong together, and when the last of them came (time.perf_counter(), s)."""

    image: Any
    cloud: Any
    info: Any
    stamp: int  # ns, of the image
    gap_ms: float
    arrived: float

    @property
    def camera_frame(self) -> str:
        """Frame of the image."""
        return frame_name(self.image.header.frame_id)

    @property
    def cloud_frame(self) -> str:
        """Frame of the cloud, which poses are given in."""
        return frame_name(self.cloud.header.frame_id)


class LocalizerNode(Node):
    """Pairs what arrives, and answers every pair on ~/status: with a pose, or with the reason why there is none."""

    def __init__(self, localizer: PairLocalizer | None = None, **node_arguments: Any) -> None:
        super().__init__("localizer", automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = declared_settings(self)
        self._localizer = localizer or _loaded(self.settings)
        self._health = Health(self.settings.node)
        self._info: CameraInfo | None = None
        self._overlay_due = 0.0
        self._hardware = ""
        self._reset()
        self._publish_outputs()
        self._worker = NewestWorker(self._process)
        self._subscribe()
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

    def _publish_outputs(self) -> None:
        self._pose = self.create_publisher(PoseWithCovarianceStamped, "~/pose", 10)
        self._status = self.create_publisher(DiagnosticArray, "~/status", 10)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._overlay = self.create_publisher(CompressedImage, "~/overlay/compressed", SENSOR_QOS)
        self._tf = TransformBroadcaster(self)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # goes on when /clock does not
        self.create_timer(self.settings.node.diagnostics_s, self._diagnose, clock=steady)

    def _subscribe(self) -> None:
        """Inputs: camera_info first, so that it is read first of what arrives together."""
        node, kind, topic = self.settings.node, ImageMessage, "image"
        if node.image_transport == "compressed":  # a remap of `image` alone would not reach image/compressed
            kind, topic = CompressedImage, f"{self.resolve_topic_name('image')}/compressed"
        self._rectified = node.lens == "rectified" or (
            node.lens == "auto" and "rect" in self.resolve_topic_name("image").rpartition("/")[2]
        )
        self._listen(CameraInfo, "camera_info", self._on_info)
        self._listen(kind, topic, self._on_image)
        self._listen(PointCloud2, "points", self._on_points)
        self._transforms = Buffer()
        self._listener = TransformListener(self._transforms, self) if node.base_frame else None
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jump = self.get_clock().create_jump_callback(back, post_callback=self._on_jump)

    def _listen(self, kind: type, topic: str, callback: Any) -> None:
        self.create_subscription(kind, topic, callback, SENSOR_QOS, qos_overriding_options=OVERRIDABLE)

    def _reset(self) -> None:
        """Forget the messages that wait."""
        pairing = self.settings.pairing
        self._pairer: Pairer[Any, Any] = Pairer(int(pairing.slop_s * 1e9), int(pairing.time_offset_s * 1e9))

    def _on_jump(self, jump: Any) -> None:
        self._health.drop("time_reset")
        self._reset()
        self._transforms.clear()

    def _on_info(self, message: CameraInfo) -> None:
        self._health.arrived("camera_info")
        self._info = message

    def _on_image(self, message: Any) -> None:
        self._on_input("image", message)

    def _on_points(self, message: PointCloud2) -> None:
        self._on_input("points", message)

    def _on_input(self, kind: str, message: Any) -> None:
        """Hand the newest pair, if the message completes one, to the worker."""
        self._health.arrived(kind)
        add = self._pairer.add_image if kind == "image" else self._pairer.add_cloud
        before = self._pairer.dropped.copy()
        try:
            pairs = add(stamp_ns(message.header.stamp, self.get_clock().now().nanoseconds or None), message)
        except InputError as error:
            self._health.drop(error.reason)
            self._say(f"{kind} dropped: {error}")
            return
        for reason in (self._pairer.dropped - before).elements():
            self._health.drop(reason)
        for image, cloud, gap in pairs:
            job = Job(image, cloud, self._info, stamp_ns(image.header.stamp), gap / 1e6, time.perf_counter())
            overtaken = self._worker.put(job)
            if overtaken is not None:
                self._refuse(overtaken, Status.NOT_PROCESSED, "dropped.busy", "a newer pair came first")

    def _process(self, job: Job) -> None:
        """The whole way of one pair, in the worker's thread. Nothing is raised: this is the border."""
        try:
            seconds = {"arrival": time.perf_counter() - job.arrived}
            started = time.perf_counter()
            pair = self._pair(job)
            seconds["decode"] = time.perf_counter() - started
            estimate = self._localizer.localize_pair(pair)
            if estimate.pose is not None:
                self._publish_pose(job, estimate)
            self._answer(job, estimate, seconds | estimate.seconds)
            self._publish_overlay(job, pair, estimate)
        except InputError as error:
            self._refuse(job, Status.BAD_INPUT, error.reason, str(error))
        except Exception as error:
            if self.context.ok():
                self._refuse(job, Status.NOT_PROCESSED, "exception", f"{type(error).__name__}: {error}")

    def _pair(self, job: Job) -> Pair:
        """The messages as a Pair; raises InputError for anything that cannot be trusted."""
        if not (job.camera_frame and job.cloud_frame):
            frames = f"image {job.camera_frame!r}, cloud {job.cloud_frame!r}"
            raise InputError(f"header.frame_id must name a frame: {frames}", "frame.empty")
        if job.info is None:
            raise InputError("no camera_info yet: is the topic right?", "camera_info.missing")
        camera = camera_from_message(job.info, self._rectified)
        cloud = cloud_from_message(job.cloud, self.settings.node.intensity_field)
        return Pair(image_from_message(job.image), camera, cloud, job.stamp)

    def _publish_pose(self, job: Job, estimate: PoseEstimate) -> None:
        """The pose of the camera, or of base_frame, in the cloud; raises InputError where that is not possible."""
        assert estimate.pose is not None and estimate.covariance is not None
        T_cloud_camera = estimate.pose.inverse()
        T_cloud_body, covariance = T_cloud_camera, camera_in_lidar(estimate.pose, estimate.covariance)
        if self.settings.node.base_frame:
            T_camera_base = self._base_in_camera(job)
            covariance = base_in_map(T_cloud_camera, covariance, T_camera_base)
            T_cloud_body = T_cloud_camera @ T_camera_base
        head = messages.header(job.stamp, job.cloud_frame)
        self._pose.publish(messages.pose_with_covariance(T_cloud_body, published(covariance), head))
        if self.settings.node.tf:
            child = job.camera_frame + self.settings.node.estimated_suffix
            self._tf.sendTransform(messages.transform_stamped(T_cloud_camera, head, child))

    def _base_in_camera(self, job: Job) -> Pose:
        """T_camera_base at the time of the image, from tf."""
        base = self.settings.node.base_frame
        try:
            found = self._transforms.lookup_transform(job.camera_frame, base, Time(nanoseconds=job.stamp))
        except TransformException as error:
            raise InputError(f"tf has no {job.camera_frame!r} <- {base!r}: {error}", "tf.missing") from error
        return transform_from_stamped(found)[2]

    def _publish_overlay(self, job: Job, pair: Pair, estimate: PoseEstimate) -> None:
        """The cloud over the image, while somebody looks."""
        now = time.monotonic()
        if estimate.pose is None or now < self._overlay_due or not self._overlay.get_subscription_count():
            return
        self._overlay_due = now + 1.0 / self.settings.node.overlay_hz
        image = overlay(pair.image, pair.camera, pair.cloud, estimate.pose)
        self._overlay.publish(messages.compressed_message(image, messages.header(job.stamp, job.camera_frame)))

    def _answer(self, job: Job, estimate: PoseEstimate, seconds: dict[str, float]) -> None:
        """Tell ~/status how a pair ended."""
        latency_ms = 1e3 * (time.perf_counter() - job.arrived)
        self._health.answered(estimate, latency_ms, job.gap_ms)
        self._hardware = job.camera_frame
        values = {
            "reason": "" if estimate.pose is not None else estimate.status.value,
            "inliers": estimate.n_inliers,
            "residual_px": estimate.residual_px,
            "confidence": estimate.confidence,
            "latency_ms": latency_ms,
            "gap_ms": job.gap_ms,
            **{f"seconds.{stage}": value for stage, value in seconds.items()},
        }
        self._publish_status(job, estimate.status, estimate.reason, values)

    def _refuse(self, job: Job, status: Status, reason: str, text: str) -> None:
        """Tell ~/status that a pair was not processed."""
        self._health.drop(reason.removeprefix("dropped."))
        if reason != "dropped.busy":
            self._say(f"pair refused: {text}")
        values = {"reason": reason, "inliers": 0, "latency_ms": 1e3 * (time.perf_counter() - job.arrived)}
        self._publish_status(job, status, text, values)

    def _publish_status(self, job: Job, status: Status, text: str, values: dict[str, Any]) -> None:
        level = DiagnosticStatus.OK if status is Status.OK else DiagnosticStatus.WARN
        name = f"{self.get_fully_qualified_name()}: pair"
        entry = messages.diagnostic(level, name, text, {"status": status.value, **values}, job.camera_frame)
        head = messages.header(job.stamp, job.cloud_frame)
        self._status.publish(DiagnosticArray(header=head, status=[entry]))

    def _diagnose(self) -> None:
        level, text, values = self._health.report(self._worker.busy_since)
        values |= {"model": self._localizer.describe()}
        ros_level = {OK: DiagnosticStatus.OK, WARN: DiagnosticStatus.WARN}.get(level, DiagnosticStatus.ERROR)
        name = f"{self.get_fully_qualified_name()}: localization"
        entry = messages.diagnostic(ros_level, name, text, values, self._hardware)
        self._diagnostics.publish(
            DiagnosticArray(header=messages.header(self.get_clock().now().nanoseconds, ""), status=[entry])
        )

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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers and subscriptions of the node `replay`: samples to the localizer, and its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from numpy.typing import NDArray
from rclpy.duration import Duration
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
from sensor_msgs.msg import Image as ImageMessage
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster
from visualization_msgs.msg import MarkerArray

from i2p_ros.core.config import ReplaySettings, Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.messages import pose_from_transform, stamp_ns
from i2p_ros.core.types import Sample
from i2p_ros.ros import messages
from i2p_ros.ros.parameters import declared_settings
from i2p_ros.ros.replay.rows import Pending, Row
from i2p_ros.ros.spinning import SpinningNode
from i2p_ros.sources.perturb import perturbed
from i2p_ros.writers.bag import CAMERA, LIDAR

PERTURBED = f"{LIDAR}_perturbed"
TRUTH = f"{CAMERA}_truth"
QUEUE = 5
ACKNOWLEDGED_S = 2.0  # longest wait until the first camera_info has arrived
Matches = tuple[Array, NDArray[np.bool_]]  # points (M, 3) in the frame of the cloud, and whether they are inliers (M,)


@dataclass(frozen=True)
class Prepared:
    """A sample as messages. Their stamps are set when they are sent."""

    index: int
    name: str
    stamp: int  # ns, of the recording
    truth: Pose | None  # T_camera_cloud of the cloud as it is played
    T_world_cloud: Pose | None
    T_camera_lidar: Pose | None
    T_cloud_lidar: Pose
    cloud_frame: str
    image: Any
    cloud: Any
    info: Any


def prepare(index: int, sample: Sample, options: ReplaySettings) -> Prepared:
    """The messages of a sample, with the random transform of the options."""
    played, T_cloud_lidar = perturbed(sample, options.perturb, options.seed, index)
    frame = LIDAR if options.perturb == "none" else PERTURBED
    to_image = messages.compressed_message if options.image_transport == "compressed" else messages.image_message
    pair, camera_head = played.pair, messages.header(0, CAMERA)
    return Prepared(
        index=index,
        name=pair.name,
        stamp=pair.stamp,
        truth=played.T_camera_lidar,
        T_world_cloud=played.T_world_lidar,
        T_camera_lidar=sample.T_camera_lidar,
        T_cloud_lidar=T_cloud_lidar,
        cloud_frame=frame,
        image=to_image(pair.image, camera_head),
        cloud=messages.cloud_message(pair.cloud, messages.header(0, frame)),
        info=messages.camera_info(pair.camera, camera_head),
    )


class Player(SpinningNode):
    """Sends samples and collects answers. Without `options`, the node's parameters are used."""

    def __init__(self, options: ReplaySettings | None = None, **node_arguments: Any) -> None:
        super().__init__("replay", automatically_declare_parameters_from_overrides=True, **node_arguments)
        self.settings = Settings(replay=options) if options else declared_settings(self)
        self.options = self.settings.replay
        self.on_row: Callable[[Row], None] = lambda row: None
        self._rows: dict[int, Row] = {}  # by the order of sending
        self._pending: dict[int, tuple[int, Pending]] = {}  # stamp -> order of sending, pair
        self._sent = 0
        self._localizer_found = False
        self._calibration: Pose | None = None
        self._publish_inputs()
        self._listen()

    @property
    def rows(self) -> list[Row]:
        """Rows of all finished pairs, in the order of playing."""
        return [self._rows[order] for order in sorted(self._rows)]

    @property
    def waiting(self) -> bool:
        """Whether the newest pair has no answer yet."""
        return any(order == self._sent for order, _ in self._pending.values())

    @property
    def connected(self) -> bool:
        """Whether the localizer receives all messages of this node, and this node those of the localizer."""
        inputs = (self._image, self._info, self._cloud)
        return self._localizer_found and all(publisher.get_subscription_count() for publisher in inputs)

    def collect_matches(self, found: dict[int, Matches]) -> None:
        """From now on, keep the matches that the localizer publishes, by the stamp (ns) of their pair."""

        def keep(message: MarkerArray) -> None:
            if message.markers:
                found[stamp_ns(message.markers[0].header.stamp)] = messages.matches_of(message)

        name = self.resolve_topic_name(self.options.localizer)
        self.create_subscription(MarkerArray, f"{name}/matches", keep, 10)

    def tick(self, stamp: int) -> None:
        """Set the clock, ns."""
        self._clock_topic.publish(Clock(clock=messages.time_message(stamp)))

    def send(self, prepared: Prepared, stamp: int) -> None:
        """Publish a sample with a stamp, ns."""
        self.tick(stamp)
        self._send_frames(prepared, stamp)
        for message in (prepared.info, prepared.cloud, prepared.image):
            message.header.stamp = messages.time_message(stamp)
        self._info.publish(prepared.info)
        if not self._sent:  # the localizer may match this publisher later than those of image and cloud
            self._info.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))
        self._cloud.publish(prepared.cloud)
        self._sent += 1
        pending = Pending(prepared.index, prepared.name, stamp, prepared.truth, prepared.T_world_cloud)
        self._pending[stamp] = self._sent, pending
        self._image.publish(prepared.image)

    def give_up(self) -> None:
        """Finish all pairs that have no answer yet."""
        for stamp in list(self._pending):
            self._finish(stamp)

    def _publish_inputs(self) -> None:
        kind, topic = ImageMessage, "image"
        if self.options.image_transport == "compressed":
            kind, topic = CompressedImage, f"{self.resolve_topic_name('image')}/compressed"
        self._image = self.create_publisher(kind, topic, QUEUE)
        self._info = self.create_publisher(CameraInfo, "camera_info", QUEUE)
        self._cloud = self.create_publisher(PointCloud2, "points", QUEUE)
        self._clock_topic = self.create_publisher(Clock, "/clock", 1)
        self._truth = self.create_publisher(PoseStamped, "~/truth", 10)
        self._tf, self._static_tf = TransformBroadcaster(self), StaticTransformBroadcaster(self)

    def _listen(self) -> None:
        name = self.resolve_topic_name(self.options.localizer)
        self.create_subscription(PoseWithCovarianceStamped, f"{name}/pose", self._on_pose, 10)
        self.create_subscription(DiagnosticArray, f"{name}/status", self._on_status, 10)
        # last: when this one is matched, the others are too
        self.create_subscription(DiagnosticArray, "/diagnostics", lambda m: self._on_diagnostics(m, name), 10)

    def _send_frames(self, prepared: Prepared, stamp: int) -> None:
        """Send a changed calibration to /tf_static, and the true pose and the pose of the played cloud to /tf."""
        lidar, cloud = messages.header(stamp, LIDAR), messages.header(stamp, prepared.cloud_frame)
        frames = []
        if prepared.cloud_frame != LIDAR:
            frames.append(messages.transform_stamped(prepared.T_cloud_lidar.inverse(), lidar, prepared.cloud_frame))
        if prepared.T_camera_lidar is not None and prepared.truth is not None:
            T_cloud_camera = prepared.truth.inverse()
            frames.append(messages.transform_stamped(T_cloud_camera, cloud, TRUTH))
            self._truth.publish(messages.pose_stamped(T_cloud_camera, cloud))
            if self._calibration is None or abs(self._calibration.local(prepared.T_camera_lidar)).max() > 1e-9:
                self._calibration = prepared.T_camera_lidar
                where = messages.transform_stamped(self._calibration.inverse(), lidar, CAMERA)
                self._static_tf.sendTransform(where)
        if frames:
            self._tf.sendTransform(frames)

    def _on_pose(self, message: PoseWithCovarianceStamped) -> None:
        stamp = stamp_ns(message.header.stamp)
        if stamp in self._pending:
            covariance = np.asarray(message.pose.covariance, np.float64).reshape(6, 6)
            self._pending[stamp][1].located(pose_from_transform(message.pose.pose), covariance)
            self._finish_if_complete(stamp)

    def _on_status(self, message: DiagnosticArray) -> None:
        stamp, entry = stamp_ns(message.header.stamp), message.status[0]
        if stamp in self._pending:
            values = {value.key: value.value for value in entry.values}
            self._pending[stamp][1].answered(entry.message, values)
            self._finish_if_complete(stamp)

    def _on_diagnostics(self, message: DiagnosticArray, name: str) -> None:
        self._localizer_found |= any(status.name.startswith(f"{name}:") for status in message.status)

    def _finish_if_complete(self, stamp: int) -> None:
        if self._pending[stamp][1].complete:
            self._finish(stamp)

    def _finish(self, stamp: int) -> None:
        order, pending = self._pending.pop(stamp)
        self._rows[order] = pending.row()
        self.on_row(self._rows[order])


def not_found(player: Player) -> InputError:
    """The error when no localizer is found."""
    name, timeout_s = player.resolve_topic_name(player.options.localizer), player.options.timeout_s
    return InputError(
        f"no node {name} listens to image, camera_info and points after {timeout_s:.0f} s: start it, with the same "
        "ROS_DOMAIN_ID, namespace and image transport",
        "localizer.missing",
    )

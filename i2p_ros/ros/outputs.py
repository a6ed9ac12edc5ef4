# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the localizer node publishes of a pair: pose, tf, overlay and status."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener

from i2p_ros.core.config import NodeSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import transform_from_stamped
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.pnp.covariance import base_in_map, camera_in_lidar, published
from i2p_ros.ros import messages
from i2p_ros.ros.job import Job
from i2p_ros.viz.overlays import overlay


class Outputs:
    """The publishers of a node, used by its worker."""

    def __init__(self, node: Node, settings: NodeSettings) -> None:
        self._settings = settings
        self._name = f"{node.get_fully_qualified_name()}: pair"
        self._pose = node.create_publisher(PoseWithCovarianceStamped, "~/pose", 10)
        self._status = node.create_publisher(DiagnosticArray, "~/status", 10)
        self._overlay = node.create_publisher(CompressedImage, "~/overlay/compressed", 1)
        self._overlay_due = 0.0  # time.monotonic(), s
        self._tf = TransformBroadcaster(node)
        self.transforms = Buffer()
        self._listener = TransformListener(self.transforms, node) if settings.base_frame else None

    def pose(self, job: Job, estimate: PoseEstimate) -> None:
        """The pose of the camera, or of base_frame, in the cloud, if there is one.

        Raises InputError, and publishes nothing, if tf does not know base_frame or the covariance is not finite.
        """
        if estimate.pose is None or estimate.covariance is None:
            return
        T_cloud_camera = T_cloud_body = estimate.pose.inverse()
        covariance = camera_in_lidar(estimate.pose, estimate.covariance)
        if self._settings.base_frame:
            T_camera_base = self._base_in_camera(job)
            covariance = base_in_map(T_cloud_camera, covariance, T_camera_base)
            T_cloud_body = T_cloud_camera @ T_camera_base
        covariance = published(covariance, self._settings.diagonal_covariance)
        head = messages.header(job.stamp, job.cloud_frame)
        self._pose.publish(messages.pose_with_covariance(T_cloud_body, covariance, head))
        if self._settings.tf:
            child = job.camera_frame + self._settings.estimated_suffix
            self._tf.sendTransform(messages.transform_stamped(T_cloud_camera, head, child))

    def overlay(self, job: Job, pair: Pair, estimate: PoseEstimate) -> None:
        """The cloud over the image, while somebody looks."""
        now = time.monotonic()
        if estimate.pose is None or now < self._overlay_due or not self._overlay.get_subscription_count():
            return
        self._overlay_due = now + 1.0 / self._settings.overlay_hz
        image = overlay(pair.image, pair.camera, pair.cloud, estimate.pose)
        self._overlay.publish(messages.compressed_message(image, messages.header(job.stamp, job.camera_frame)))

    def status(self, job: Job, status: Status, text: str, values: dict[str, Any]) -> None:
        """How a pair ended: the status by name, in words, and with numbers."""
        level = messages.OK if status is Status.OK else messages.WARN
        entry = messages.diagnostic(level, self._name, text, {"status": status.value, **values}, job.camera_frame)
        head = messages.header(job.stamp, job.cloud_frame)
        self._status.publish(DiagnosticArray(header=head, status=[entry]))

    def _base_in_camera(self, job: Job) -> Pose:
        """T_camera_base at the time of the image, from tf."""
        base = self._settings.base_frame
        try:
            found = self.transforms.lookup_transform(job.camera_frame, base, Time(nanoseconds=job.stamp))
        except TransformException as error:
            raise InputError(f"tf has no {job.camera_frame!r} <- {base!r}: {error}", "tf.missing") from error
        return transform_from_stamped(found)[2]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the localizer node publishes of a pair: pose, tf, status, and pictures for those who look."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from i2p_ros.core.config import NodeSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.pnp.covariance import base_in_map, camera_in_lidar, published
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.job import Job
from i2p_ros.viz.overlays import overlay

SHOWN_MATCHES = 300  # lines of a marker


class Outputs:
    """The publishers of one channel, used by the node's worker. The names of camera and lidar go before theirs."""

    def __init__(
        self, node: Node, settings: NodeSettings, frames: Frames | None, camera: str = "", lidar: str = ""
    ) -> None:
        self.settings = settings
        prefix = "".join(f"{name}/" for name in (camera, lidar) if name)
        self._of_lidar = f"_{lidar}" if lidar else ""  # or one frame would have a parent for each lidar
        self._node, self._frames = node, frames
        self._name = f"{node.get_fully_qualified_name()}: pair {prefix}".strip(" /")

        def publisher(kind: type, name: str, depth: int) -> Any:
            return node.create_publisher(kind, f"~/{prefix}{name}", depth)

        self._pose = publisher(PoseWithCovarianceStamped, "pose", 10)
        self._status = publisher(DiagnosticArray, "status", 10)
        self._overlay = publisher(CompressedImage, "overlay/compressed", 1)
        self._aligned = publisher(PointCloud2, "points_aligned", 1)
        self._matches = publisher(MarkerArray, "matches", 1)
        self._pictures_due = 0.0  # time.monotonic(), s
        self._tf = node.create_publisher(TFMessage, "/tf", 100)

    def close(self) -> None:
        """Give the publishers back."""
        for one in (self._pose, self._status, self._overlay, self._aligned, self._matches, self._tf):
            self._node.destroy_publisher(one)

    def pose(self, job: Job, estimate: PoseEstimate) -> None:
        """The pose of the camera, or of base_frame, in the cloud, if there is one; and tf by tf_mode.

        Raises InputError, and publishes nothing, if tf lacks a frame or the covariance is not finite.
        """
        if estimate.pose is None or estimate.covariance is None:
            return
        T_cloud_camera = T_cloud_body = estimate.pose.inverse()
        covariance = camera_in_lidar(estimate.pose, estimate.covariance)
        if self.settings.base_frame:
            T_camera_base = self._looked_up(job, self.settings.base_frame)
            covariance = base_in_map(T_cloud_camera, covariance, T_camera_base)
            T_cloud_body = T_cloud_camera @ T_camera_base
        covariance = published(covariance, self.settings.diagonal_covariance)
        head, transforms = messages.header(job.stamp, job.cloud_frame), self._transforms(job, T_cloud_camera)
        self._pose.publish(messages.pose_with_covariance(T_cloud_body, covariance, head))
        if transforms:
            self._tf.publish(TFMessage(transforms=transforms))

    def pictures(self, job: Job, pair: Pair, estimate: PoseEstimate) -> None:
        """Overlay, aligned cloud and matches, each while somebody listens."""
        now = time.monotonic()
        if estimate.pose is None or now < self._pictures_due:
            return
        self._pictures_due = now + 1.0 / self.settings.overlay_hz
        of_camera = messages.header(job.stamp, job.camera_frame)
        if self._overlay.get_subscription_count():
            image = overlay(pair.image, pair.camera, pair.cloud, estimate.pose)
            self._overlay.publish(messages.compressed_message(image, of_camera))
        if self._aligned.get_subscription_count():
            self._aligned.publish(messages.cloud_message(pair.cloud.transformed(estimate.pose), of_camera))
        if self._matches.get_subscription_count() and estimate.correspondences is not None:
            self._matches.publish(self._lines(job, estimate))

    def status(self, job: Job, status: Status, text: str, values: dict[str, Any]) -> None:
        """How a pair ended: the status by name, in words, and with numbers."""
        level = messages.OK if status is Status.OK else messages.WARN
        entry = messages.diagnostic(level, self._name, text, {"status": status.value, **values}, job.camera_frame)
        head = messages.header(job.stamp, job.cloud_frame)
        self._status.publish(DiagnosticArray(header=head, status=[entry]))

    def _transforms(self, job: Job, T_cloud_camera: Pose) -> list[Any]:
        """What goes to tf."""
        if self.settings.tf_mode == "estimate":
            child = job.camera_frame + self.settings.estimated_suffix + self._of_lidar
            head = messages.header(job.stamp, job.cloud_frame)
            return [messages.transform_stamped(T_cloud_camera, head, child)]
        if self.settings.tf_mode == "map_to_odom":
            assert self._frames is not None
            odom = self.settings.odom_frame
            self._frames.refuse_second_parent(odom, job.cloud_frame)
            T_cloud_odom = T_cloud_camera @ self._looked_up(job, odom)
            # post-dated, so that others can look "now" up until the next one comes (as amcl does)
            later = job.stamp + round(self.settings.transform_tolerance_s * 1e9)
            return [messages.transform_stamped(T_cloud_odom, messages.header(later, job.cloud_frame), odom)]
        return []

    def _looked_up(self, job: Job, source: str) -> Pose:
        """T_camera_source at the time of the image."""
        assert self._frames is not None
        return self._frames.lookup(job.camera_frame, source, job.stamp)

    def _lines(self, job: Job, estimate: PoseEstimate) -> MarkerArray:
        """Lines from the camera to the points of matches: green where they agree with the pose, red where not."""
        found, pose = estimate.correspondences, estimate.pose
        assert found is not None and pose is not None
        agree = np.zeros(len(found), bool) if estimate.inliers is None else estimate.inliers
        few = slice(None, None, -(-len(found) // SHOWN_MATCHES) or 1)
        head = messages.header(job.stamp, job.cloud_frame)
        return messages.line_markers(pose.inverse().translation, found.points[few], agree[few], head)

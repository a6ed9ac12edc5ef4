# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of the localizer node for one pair: pose, tf, status, and pictures for subscribers."""

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

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PoseEstimate, Status
from i2p_ros.pnp.covariance import base_in_map, camera_in_lidar, published
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.tf_listener import TfListener
from i2p_ros.viz.overlays import overlay

SHOWN_MATCHES = 300  # most lines of a marker


class Outputs:
    """The publishers of one channel. Names of camera and lidar precede those of the topics. The worker calls it."""

    def __init__(self, node: Node, tf: TfListener | None, camera: str = "", lidar: str = "") -> None:
        prefix = "".join(f"{name}/" for name in (camera, lidar) if name)
        self._of_lidar = f"_{lidar}" if lidar else ""  # one child frame for each lidar: a frame has one parent
        self._node, self._lookups = node, tf
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
        """Destroy the publishers."""
        for one in (self._pose, self._status, self._overlay, self._aligned, self._matches, self._tf):
            self._node.destroy_publisher(one)

    def pose(self, job: PairJob, estimate: PoseEstimate) -> None:
        """Publish the pose of the camera, or of base_frame, in the frame of the cloud, and tf by tf_mode.

        Publishes nothing if there is no pose. Raises InputError, and publishes nothing, if tf lacks a frame or the
        covariance is not finite.
        """
        settings = job.settings.node
        if estimate.pose is None or estimate.covariance is None:
            return
        T_cloud_camera = T_cloud_body = estimate.pose.inverse()
        covariance = camera_in_lidar(estimate.pose, estimate.covariance)
        if settings.base_frame:
            T_camera_base = self._looked_up(job, settings.base_frame)
            covariance = base_in_map(T_cloud_camera, covariance, T_camera_base)
            T_cloud_body = T_cloud_camera @ T_camera_base
        covariance = published(covariance, settings.diagonal_covariance)
        head, transforms = messages.header(job.stamp, job.cloud_frame), self._transforms(job, T_cloud_camera)
        self._pose.publish(messages.pose_with_covariance(T_cloud_body, covariance, head))
        if transforms:
            self._tf.publish(TFMessage(transforms=transforms))

    def pictures(self, job: PairJob, pair: Pair, estimate: PoseEstimate) -> None:
        """Publish overlay, aligned cloud and matches, each if it has a subscriber."""
        now = time.monotonic()
        if estimate.pose is None or now < self._pictures_due:
            return
        self._pictures_due = now + 1.0 / job.settings.node.overlay_hz
        of_camera = messages.header(job.stamp, job.camera_frame)
        if self._overlay.get_subscription_count():
            image = overlay(pair.image, pair.camera, pair.cloud, estimate.pose)
            self._overlay.publish(messages.compressed_message(image, of_camera))
        if self._aligned.get_subscription_count():
            self._aligned.publish(messages.cloud_message(pair.cloud.transformed(estimate.pose), of_camera))
        if self._matches.get_subscription_count() and estimate.correspondences is not None:
            self._matches.publish(self._lines(job, estimate))

    def status(self, job: PairJob, status: Status, text: str, values: dict[str, Any]) -> None:
        """Publish the status of a pair: its name, a text, and values."""
        level = messages.OK if status is Status.OK else messages.WARN
        entry = messages.diagnostic(level, self._name, text, {"status": status.value, **values}, job.camera_frame)
        head = messages.header(job.stamp, job.cloud_frame)
        self._status.publish(DiagnosticArray(header=head, status=[entry]))

    def _transforms(self, job: PairJob, T_cloud_camera: Pose) -> list[Any]:
        """The transforms to send by tf_mode."""
        settings = job.settings.node
        if settings.tf_mode == "estimate":
            child = job.camera_frame + settings.estimated_suffix + self._of_lidar
            head = messages.header(job.stamp, job.cloud_frame)
            return [messages.transform_stamped(T_cloud_camera, head, child)]
        if settings.tf_mode == "map_to_odom":
            assert self._lookups is not None
            odom = settings.odom_frame
            self._lookups.refuse_second_parent(odom, job.cloud_frame)
            T_cloud_odom = T_cloud_camera @ self._looked_up(job, odom)
            # dated ahead, so that look-ups at the present time succeed until the next one is sent (as amcl does)
            later = job.stamp + round(settings.transform_tolerance_s * 1e9)
            return [messages.transform_stamped(T_cloud_odom, messages.header(later, job.cloud_frame), odom)]
        return []

    def _looked_up(self, job: PairJob, source: str) -> Pose:
        """T_camera_source at the time of the image."""
        assert self._lookups is not None
        return self._lookups.lookup(job.camera_frame, source, job.stamp)

    def _lines(self, job: PairJob, estimate: PoseEstimate) -> MarkerArray:
        """Lines from the camera to the points of matches: green for inliers, red for the others."""
        found, pose = estimate.correspondences, estimate.pose
        assert found is not None and pose is not None
        agree = np.zeros(len(found), bool) if estimate.inliers is None else estimate.inliers
        few = slice(None, None, -(-len(found) // SHOWN_MATCHES) or 1)
        head = messages.header(job.stamp, job.cloud_frame)
        return messages.line_markers(pose.inverse().translation, found.points[few], agree[few], head)

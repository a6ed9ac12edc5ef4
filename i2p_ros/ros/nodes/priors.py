# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The prior of each pair by `tracking.prior`: from the tracker, odometry, tf or /initialpose."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.messages import frame_name, pose_from_transform
from i2p_ros.core.tracking import Tracker, prior_of_body
from i2p_ros.core.types import Prior
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.tf_listener import TfListener


class Priors:
    """Priors by the tracker and tf. The node's executor calls `give`, its worker calls `of`."""

    def __init__(self, tracker: Tracker, tf: TfListener | None) -> None:
        self._tracker, self._tf = tracker, tf
        self._given: deque[Any] = deque(maxlen=1)  # last message of /initialpose. A deque is thread-safe

    def give(self, message: Any) -> None:
        """Keep a PoseWithCovarianceStamped of /initialpose: the pose of the camera, or of base_frame."""
        self._given.append(message)

    def of(self, job: PairJob) -> Prior | None:
        """The prior of a pair, or none. The tracker keeps it for its gate. Raises InputError if tf lacks a part."""
        self._take_given(job)
        kind, since = job.settings.tracking.prior, self._tracker.since
        if kind == "tf":
            return self._tracker.predict_from(job.stamp, self._of_tf(job))
        if kind == "none" or since is None:
            return None
        moved = self._moved(job, since) if kind == "odometry" and since <= job.stamp else None
        return self._tracker.predict(job.stamp, moved)

    def _take_given(self, job: PairJob) -> None:
        """Hand a pose of /initialpose to the tracker, with the stamp of this pair."""
        if not self._given:
            return
        message = self._given.pop()  # only the worker removes one
        frame, base = frame_name(message.header.frame_id), job.settings.node.base_frame
        T_camera_body = self._lookup(job.camera_frame, base, job.stamp) if base else Pose.identity()
        T_frame_cloud = self._lookup(frame, job.cloud_frame, job.stamp)
        T_frame_body = pose_from_transform(message.pose.pose)
        covariance = np.reshape(message.pose.covariance, (6, 6))
        self._tracker.start_from(job.stamp, prior_of_body(T_camera_body, T_frame_body, covariance, T_frame_cloud))

    def _of_tf(self, job: PairJob) -> Prior:
        tracking = job.settings.tracking
        stds = np.repeat([tracking.prior_std_m, np.radians(tracking.prior_std_deg)], 3)
        T_camera_cloud = self._lookup(job.camera_frame, job.cloud_frame, job.stamp)
        return Prior(T_camera_cloud, from_camera_axes(T_camera_cloud, np.diag(stds**2)))

    def _moved(self, job: PairJob, since: int) -> Pose:
        """T_now_before of the camera since a stamp (ns), by odometry."""
        camera, odom = job.camera_frame, job.settings.node.odom_frame
        return self._lookup(camera, odom, job.stamp) @ self._lookup(camera, odom, since).inverse()

    def _lookup(self, target: str, source: str, stamp: int) -> Pose:
        assert self._tf is not None
        return Pose.identity() if target == source else self._tf.lookup(target, source, stamp)

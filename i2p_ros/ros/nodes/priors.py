# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a pair is expected, by `tracking.prior`: from the tracker, odometry, tf or /initialpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from i2p_ros.core.config import Settings
from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.messages import frame_name, pose_from_transform
from i2p_ros.core.tracking import Tracker, prior_of_body
from i2p_ros.core.types import Prior
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.job import Job


class Priors:
    """Asks tf and the tracker. `give` is called by the node's executor, `of` by its worker."""

    def __init__(self, settings: Settings, tracker: Tracker, frames: Frames | None) -> None:
        self.settings = settings
        self._tracker, self._frames = tracker, frames
        self._given: Any = None  # the last message of /initialpose, until a pair takes it

    def give(self, message: Any) -> None:
        """A PoseWithCovarianceStamped of /initialpose: where somebody says that the camera, or base_frame, is."""
        self._given = message

    def of(self, job: Job) -> Prior | None:
        """The prior of a pair, which the tracker will compare its answer with; raises InputError if tf lacks a part."""
        self._take_given(job)
        kind, since = self.settings.tracking.prior, self._tracker.since
        if kind == "tf":
            return self._tracker.predict_from(job.stamp, self._of_tf(job))
        if kind == "none" or since is None:
            return None
        moved = self._moved(job, since) if kind == "odometry" and since <= job.stamp else None
        return self._tracker.predict(job.stamp, moved)

    def _take_given(self, job: Job) -> None:
        """What somebody says on /initialpose, as of now."""
        if self._given is None:
            return
        message, self._given = self._given, None
        frame, base = frame_name(message.header.frame_id), self.settings.node.base_frame
        T_camera_body = self._lookup(job.camera_frame, base, job.stamp) if base else Pose.identity()
        T_frame_cloud = self._lookup(frame, job.cloud_frame, job.stamp)
        T_frame_body = pose_from_transform(message.pose.pose)
        covariance = np.reshape(message.pose.covariance, (6, 6))
        self._tracker.start_from(job.stamp, prior_of_body(T_camera_body, T_frame_body, covariance, T_frame_cloud))

    def _of_tf(self, job: Job) -> Prior:
        tracking = self.settings.tracking
        stds = np.repeat([tracking.prior_std_m, np.radians(tracking.prior_std_deg)], 3)
        T_camera_cloud = self._lookup(job.camera_frame, job.cloud_frame, job.stamp)
        return Prior(T_camera_cloud, from_camera_axes(T_camera_cloud, np.diag(stds**2)))

    def _moved(self, job: Job, since: int) -> Pose:
        """T_now_before of the camera since a stamp, by odometry."""
        camera, odom = job.camera_frame, self.settings.node.odom_frame
        return self._lookup(camera, odom, job.stamp) @ self._lookup(camera, odom, since).inverse()

    def _lookup(self, target: str, source: str, stamp: int) -> Pose:
        assert self._frames is not None
        return Pose.identity() if target == source else self._frames.lookup(target, source, stamp)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the frame of an image is an optical frame: z forward, x right, y down (REP 103)."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud

# from a body frame (x forward, y left, z up) to the optical frame of the same camera
T_OPTICAL_BODY = Pose(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))
LEAST_POINTS = 50  # in view along x, before the frame is doubted
FACTOR = 5  # as many points are in view along x as along z, or more, if the frame is doubted


def optical_doubt(pair: Pair, T_camera_lidar: Pose, frame: str = "camera") -> str:
    """Why the frame of the camera may be a body frame, whose x axis is forward. Empty if there is no doubt."""
    return optical_doubt_of(pair.camera, pair.cloud, T_camera_lidar, frame)


def optical_doubt_of(camera: Camera, cloud: PointCloud, T_camera_lidar: Pose, frame: str = "camera") -> str:
    """`optical_doubt` of a pair whose image is not at hand.

    The lidar's points in view along z are compared with those along x.
    """
    along_z, along_x = (_in_view(camera, cloud, pose) for pose in (T_camera_lidar, T_OPTICAL_BODY @ T_camera_lidar))
    if along_x < max(LEAST_POINTS, FACTOR * along_z):
        return ""
    return (
        f"the frame {frame!r} of the image is no optical frame (z forward, x right, y down): {along_z} points of the "
        f"cloud are in view along its z axis, and {along_x} along its x axis. Use the optical frame of the camera"
    )


def _in_view(camera: Camera, cloud: PointCloud, T_camera_lidar: Pose) -> int:
    """Number of points in the image."""
    return int(camera.project(T_camera_lidar.apply(cloud.xyz))[1].sum())

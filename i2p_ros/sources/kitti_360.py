# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of KITTI-360 (Liao et al. 2022): images, clouds, poses and calibration lie in folders of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.kitti_files import (
    Projection,
    StampFiles,
    read_calibration,
    read_poses_by_frame,
    read_transform,
)


def kitti_360_root(base: Path) -> Path | None:
    """Folder that holds `data_2d_raw` and `data_3d_raw`: `base`, or the folder of which `base` is a part or a drive."""
    for folder, below in ((base, base), (base.parent, base), (base.parent.parent, base.parent)):
        parts = (folder / "data_2d_raw", folder / "data_3d_raw")
        if any(part.is_dir() for part in parts) and (folder is base or below in parts):
            return folder
    return None


class Kitti360Drive:
    """`data_2d_raw/<drive>/image_00/data_rect` and `data_3d_raw/<drive>/velodyne_points/data`, without the fisheyes.

    The world is that of `data_poses/<drive>/poses.txt`. Frames that this file leaves out, as those at a standstill,
    have no pose. Without the file, or without calib_cam_to_pose.txt, there is no world.
    """

    cameras: tuple[int, ...] = (0, 1)

    def __init__(self, root: Path, folder: str) -> None:
        self.name = folder.removesuffix("_sync")
        self.clouds = root / "data_3d_raw" / folder / "velodyne_points" / "data"
        self._images, calibration = root / "data_2d_raw" / folder, root / "calibration"
        self._perspective = read_calibration(calibration / "perspective.txt")
        self._T_cam0_lidar = read_transform(calibration / "calib_cam_to_velo.txt").inverse()
        self._rig_path, poses = calibration / "calib_cam_to_pose.txt", root / "data_poses" / folder / "poses.txt"
        self._T_world_lidar: dict[int, Pose] = {}
        if poses.exists() and self._rig_path.exists():
            T_imu_lidar = self._T_imu_camera(0) @ self._T_cam0_lidar
            self._T_world_lidar = {frame: pose @ T_imu_lidar for frame, pose in read_poses_by_frame(poses).items()}
        self._stamps = StampFiles()

    def images(self, camera: int) -> Path:
        if camera not in self.cameras:
            raise InputError(
                f"image_{camera:02d} of KITTI-360 is a fisheye camera of the unified projection model (Mei 2007), "
                "which is not read; choose the cameras image_00 and image_01",
                "source.camera",
            )
        return self._images / self.camera_name(camera) / "data_rect"

    def camera_name(self, camera: int) -> str:
        return f"image_{camera:02d}"

    def projection(self, camera: int, stem: str) -> Projection:
        """As in kitti360Scripts (helpers/project.py): the fourth column of P_rect is not used."""
        row, size = f"P_rect_{camera:02d}", self._perspective.matrix(f"S_rect_{camera:02d}", 2)
        matrix = np.column_stack([self._perspective.matrix(row, 3, 4)[:, :3], np.zeros(3)])
        T_camera_lidar = self._T_cam0_lidar
        if camera:
            T_camera_lidar = self._T_imu_camera(camera).inverse() @ self._T_imu_camera(0) @ self._T_cam0_lidar
        T_rect_lidar = self._perspective.rotation(f"R_rect_{camera:02d}") @ T_camera_lidar
        return Projection(matrix, T_rect_lidar, (int(size[0]), int(size[1])), self._perspective.path)

    def stamp(self, camera: int, stem: str) -> int:
        return self._stamps.of(self.images(camera).parent / "timestamps.txt", stem)

    def T_world_lidar(self, stem: str) -> Pose | None:
        return self._T_world_lidar.get(int(stem))

    def _T_imu_camera(self, camera: int) -> Pose:
        """T_imu_camera of a camera before rectification. KITTI-360 calls the frame of the imu `pose`."""
        rig, key = read_calibration(self._rig_path), self.camera_name(camera)
        return rig.rigid(rig.matrix(key, 3, 4), key)

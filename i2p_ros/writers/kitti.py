# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writer of one drive with its date folder in KITTI's raw layout, sample by sample."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image, PointCloud, Sample
from i2p_ros.sources.kitti_files import EARTH_RADIUS

LATITUDE, LONGITUDE = 49.0, 8.4  # deg, of the first sample of each drive: Karlsruhe, where KITTI was recorded


def calibration_key(sample: Sample) -> tuple[object, ...]:
    """Camera and T_camera_lidar as a key. Samples with equal keys can share a date folder."""
    assert sample.T_camera_lidar is not None
    return (sample.pair.camera, sample.T_camera_lidar.matrix.tobytes())


class DriveWriter:
    """Writer of the drive `date/<date>_drive_0000_sync`, with the camera as image_02."""

    def __init__(self, date: Path, sample: Sample) -> None:
        self._drive = date / f"{date.name}_drive_0000_sync"
        self._image, self._cloud, self._oxts = (self._drive / n for n in ("image_02", "velodyne_points", "oxts"))
        for folder in (self._image, self._cloud):
            (folder / "data").mkdir(parents=True)
        for name, text in calibration_files(sample).items():
            (date / name).write_text(text)
        self._stamps: list[str] = []
        self._origin: Array | None = None

    def add(self, sample: Sample) -> None:
        """Write the next frame."""
        stem = f"{len(self._stamps):010d}"
        self._stamps.append(str(np.datetime64(sample.pair.stamp, "ns")).replace("T", " "))
        image, _ = sample.pair.camera.undistort(sample.pair.image)
        write_image(self._image / "data" / f"{stem}.png", image)
        _rows(sample.pair.cloud).tofile(self._cloud / "data" / f"{stem}.bin")
        if sample.T_world_lidar is not None:
            (self._oxts / "data").mkdir(parents=True, exist_ok=True)
            (self._oxts / "data" / f"{stem}.txt").write_text(self._oxts_line(sample.T_world_lidar))

    def finish(self) -> None:
        """Write the times. They are the same for all sensors."""
        for folder in (self._image, self._cloud, self._oxts):
            if folder.exists():
                (folder / "timestamps.txt").write_text("\n".join(self._stamps) + "\n")

    def _oxts_line(self, T_world_lidar: Pose) -> str:
        """The 30 fields of oxts: the pose by the inverse Mercator projection, and zeros for the other fields."""
        if self._origin is None:
            self._origin = T_world_lidar.translation
        east, north, up = T_world_lidar.translation - self._origin
        radius = EARTH_RADIUS * np.cos(np.radians(LATITUDE))
        north += radius * np.log(np.tan(np.radians(90.0 + LATITUDE) / 2.0))
        latitude = np.degrees(2.0 * np.arctan(np.exp(north / radius))) - 90.0
        longitude = LONGITUDE + np.degrees(east / radius)
        r = T_world_lidar.rotation
        turn = np.arctan2([r[2, 1], -r[2, 0], r[1, 0]], [r[2, 2], np.hypot(r[0, 0], r[1, 0]), r[0, 0]])
        return f"{_text([latitude, longitude, up, *turn])} {' '.join(['0'] * 24)}\n"


def calibration_files(sample: Sample) -> dict[str, str]:
    """Texts of the three calibration files of a date folder, by file name.

    The one camera is written as each of KITTI's four cameras, since readers ask for all of them. Its own frame is the
    rectified frame. The frame of the imu is that of the lidar.
    """
    assert sample.T_camera_lidar is not None
    camera, still = sample.pair.camera.undistorted, _text(np.eye(3))
    k, size, none = _text(camera.matrix), _text([camera.width, camera.height]), _text(np.zeros(3))
    p = _text(np.column_stack([camera.matrix, np.zeros(3)]))
    rows = []
    for n in ("00", "01", "02", "03"):
        rows += [f"S_{n}: {size}", f"K_{n}: {k}", f"D_{n}: {_text(np.zeros(5))}", f"R_{n}: {still}", f"T_{n}: {none}"]
        rows += [f"S_rect_{n}: {size}", f"R_rect_{n}: {still}", f"P_rect_{n}: {p}"]
    pose = sample.T_camera_lidar
    return {
        "calib_cam_to_cam.txt": "\n".join(rows) + "\n",
        "calib_velo_to_cam.txt": f"R: {_text(pose.rotation)}\nT: {_text(pose.translation)}\n",
        "calib_imu_to_velo.txt": f"R: {still}\nT: {none}\n",
    }


def _text(values: ArrayLike) -> str:
    """Numbers with 17 digits, so that they are read back exactly."""
    return " ".join(f"{v:.17g}" for v in np.asarray(values, np.float64).ravel())


def _rows(cloud: PointCloud) -> np.ndarray:
    """Little-endian float32 (N, 4): x, y, z in m, intensity. Without intensity it is 0."""
    if not len(cloud):
        raise InputError("a cloud without points cannot be written", "writer.cloud")
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else cloud.intensity
    return np.column_stack([cloud.xyz, intensity]).astype("<f4")


def write_image(path: Path, image: Image) -> None:
    """Write an RGB image as PNG; InputError if it cannot be written."""
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise InputError(f"cannot write {path}: is the disk full?", "writer.target")

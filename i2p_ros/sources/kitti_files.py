# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of the files of KITTI. Every error names the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image

T = TypeVar("T")
SECOND = 10**9  # ns
EARTH_RADIUS = 6378137.0  # m, as in the raw development kit


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """Rows `key: numbers` or `key numbers` of a calibration file, without rows that are not numbers, such as dates."""

    path: Path
    rows: dict[str, Array]

    def matrix(self, key: str, *shape: int) -> Array:
        """Array of this shape in a row; InputError if the row is absent, has another length or is not finite."""
        if key not in self.rows:
            raise InputError(f"{self.path} has no row {key!r}; it has {', '.join(self.rows) or 'none'}", "calibration")
        row, size = self.rows[key], int(np.prod(shape))
        if row.size != size or not np.isfinite(row).all():
            raise InputError(f"{self.path}: {key} needs {size} finite numbers, got {row.tolist()}", "calibration")
        return row.reshape(shape)

    def pose(self, rotation: str, translation: str) -> Pose:
        """Transform of a rotation row (9 numbers) and a translation row (3 numbers, m)."""
        return self.rigid(np.column_stack([self.matrix(rotation, 3, 3), self.matrix(translation, 3)]), rotation)

    def rigid(self, matrix: Array, key: str) -> Pose:
        """Transform of a matrix (3, 4) from the row `key`; InputError if it is not rigid."""
        return _rigid(matrix, f"{self.path}: {key}")

    def rotation(self, key: str) -> Pose:
        """Transform without translation of a row of 9 numbers."""
        return self.rigid(np.column_stack([self.matrix(key, 3, 3), np.zeros(3)]), key)


@dataclass(frozen=True, slots=True)
class Projection:
    """Projection of one camera: `matrix` is P (3, 4) for points in the rectified frame of camera 0.

    `size` is width and height of the image if the calibration states them. `path` is the calibration file.
    """

    matrix: Array
    T_rect_lidar: Pose
    size: tuple[int, int] | None
    path: Path

    def of(self, image: Image, image_path: Path) -> tuple[Camera, Pose]:
        """Camera of an image and T_camera_lidar. In P = K [I | b], b is the offset of the camera's own optical frame.

        Raises InputError if the image has another size than the calibration.
        """
        size = (image.shape[1], image.shape[0])
        if self.size and size != self.size:
            raise InputError(
                f"{image_path} is {size[0]}x{size[1]} but {self.path} is for {self.size[0]}x{self.size[1]}: "
                "use the rectified images of this calibration",
                "image.size",
            )
        try:
            camera = Camera.from_matrix(self.matrix[:, :3], *size)
        except InputError as error:
            raise InputError(f"{self.path}: {error}", error.reason) from error
        offset = np.linalg.solve(camera.matrix, self.matrix[:, 3])
        return camera, Pose(np.eye(3), np.asarray(offset, np.float64)) @ self.T_rect_lidar


def read_calibration(path: Path) -> CalibrationFile:
    """Rows of a calibration file; InputError if it is missing or unreadable."""
    rows = {}
    for line in read_lines(path, "calibration"):
        key, _, values = line.partition(":" if ":" in line else " ")  # R_rect of the tracking benchmark has no colon
        try:
            rows[key.strip()] = np.array(values.split(), np.float64)
        except ValueError:
            continue  # calib_time is a date
    return CalibrationFile(path, rows)


def read_lines(path: Path, reason: str) -> list[str]:
    """Lines of a text file without blank ones; InputError if it is missing or not text."""
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error}): KITTI folders need this file", reason) from error


def read_stamps(path: Path) -> list[int]:
    """Stamps (ns) of the lines: UTC dates with nine decimals (raw), or seconds (odometry)."""
    try:
        return [_nanoseconds(line.strip()) for line in read_lines(path, "times")]
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise InputError(f"{path} must have one time a line, a date or seconds: {error!r}", "times") from error


def read_poses(path: Path) -> list[Pose]:
    """T_world_camera0 of each line of 12 numbers. The world is the frame of camera 0 at the first line."""
    poses = []
    for number, line in enumerate(read_lines(path, "poses"), 1):
        poses.append(_rigid(_floats(line, path, 12)[:12].reshape(3, 4), f"{path}, line {number}"))
    return poses


def read_poses_by_frame(path: Path) -> dict[int, Pose]:
    """T_world_imu by frame, of lines with the number of the frame and 12 numbers (KITTI-360)."""
    poses = {}
    for number, line in enumerate(read_lines(path, "poses"), 1):
        values = _floats(line, path, 13)
        poses[int(values[0])] = _rigid(values[1:13].reshape(3, 4), f"{path}, line {number}")
    return poses


def read_transform(path: Path) -> Pose:
    """Transform of a file with 12 numbers and no key."""
    return _rigid(_floats(" ".join(read_lines(path, "calibration")), path, 12)[:12].reshape(3, 4), str(path))


def read_oxts(path: Path) -> Array:
    """Latitude and longitude (deg), altitude (m), roll, pitch and yaw (rad) of each line, (N, 6) with N >= 1."""
    return np.array([_floats(line, path, 6)[:6] for line in read_lines(path, "oxts") or [""]])


def oxts_pose(values: Array, latitude: float) -> Pose:
    """T_mercator_imu: x east, y north, z up, in m at the scale of `latitude` (deg).

    The Mercator projection of the raw development kit (Geiger et al. 2013, section 4, convertOxtsToPose).
    """
    lat, lon, altitude, roll, pitch, yaw = values
    radius = EARTH_RADIUS * np.cos(np.radians(latitude))
    north = radius * np.log(np.tan(np.radians(90.0 + lat) / 2.0))
    turn = Pose.from_rotvec([0, 0, yaw]) @ Pose.from_rotvec([0, pitch, 0]) @ Pose.from_rotvec([roll, 0, 0])
    return Pose(turn.rotation, np.array([radius * np.radians(lon), north, altitude]))


class Mercator:
    """World of oxts records (6,): x east, y north, z up, with its origin at the lidar of the first record."""

    def __init__(self, first: Array, T_imu_lidar: Pose) -> None:
        self._latitude, self._origin, self._T_imu_lidar = float(first[0]), np.zeros(3), T_imu_lidar
        self._origin = self.T_world_lidar(first).translation

    def T_world_lidar(self, values: Array) -> Pose:
        """T_world_lidar of one record."""
        T_mercator_lidar = oxts_pose(values, self._latitude) @ self._T_imu_lidar
        return Pose(T_mercator_lidar.rotation, T_mercator_lidar.translation - self._origin)


def of_frame(values: Sequence[T], stem: str, path: Path) -> T:
    """Value of a frame in a file with one line per frame; InputError if there are too few lines."""
    if int(stem) >= len(values):
        raise InputError(f"{path} has {len(values)} lines but there is a frame {stem}: one line per frame", "times")
    return values[int(stem)]


class StampFiles:
    """Stamps of frames by files with one time a line, of which each is read once."""

    def __init__(self) -> None:
        self._stamps: dict[Path, list[int]] = {}

    def of(self, path: Path, stem: str) -> int:
        """Stamp of a frame, ns. Without the file, frames are one second apart."""
        if path not in self._stamps:
            if not path.exists():
                return int(stem) * SECOND
            self._stamps[path] = read_stamps(path)
        return of_frame(self._stamps[path], stem, path)


def _nanoseconds(text: str) -> int:
    if "-" in text[1:] and ":" in text:
        return int(np.datetime64(text.replace(" ", "T"), "ns").astype(np.int64))
    return int(Decimal(text) * 10**9)


def _floats(line: str, path: Path, least: int) -> Array:
    try:
        values = np.array(line.split(), np.float64)
    except ValueError as error:
        raise InputError(f"{path}: {error}", "numbers") from error
    if len(values) < least or not np.isfinite(values).all():
        raise InputError(f"{path} needs {least} finite numbers a line, got {line[:80]!r}", "numbers")
    return values


def _rigid(matrix: Array, where: str) -> Pose:
    try:
        return Pose.from_matrix(matrix)
    except InputError as error:
        raise InputError(f"{where}: {error}", error.reason) from error

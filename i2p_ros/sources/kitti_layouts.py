# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The three layouts of KITTI folders, each with a class for one of its drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.kitti_files import (
    Projection,
    oxts_pose,
    read_calibration,
    read_oxts,
    read_poses,
    read_stamps,
)

T = TypeVar("T")
SECOND = 10**9  # ns


class Drive(Protocol):
    """One drive, sequence or split on disk. Cameras are numbered 0 to 3. A stem is a file name such as 000003."""

    name: str
    clouds: Path

    def images(self, camera: int) -> Path:
        """Folder of the images of a camera, which need not exist."""
        ...

    def camera_name(self, camera: int) -> str:
        """Name of the camera in this layout."""
        ...

    def projection(self, camera: int, stem: str) -> Projection:
        """Projection of the camera at this frame."""
        ...

    def stamp(self, camera: int, stem: str) -> int:
        """Stamp of the frame, ns. Without a file of times, frames are one second apart."""
        ...

    def T_world_lidar(self, stem: str) -> Pose | None:
        """T_world_lidar at the frame, or none if the drive has no poses."""
        ...


class RawDrive:
    """`<date>/<date>_drive_<number>_sync` with the calibration in the date folder.

    The world has x east, y north and z up. Its origin is the lidar at the first oxts record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name.removesuffix("_sync")
        self.clouds = folder / "velodyne_points" / "data"
        self._cameras = read_calibration(folder.parent / "calib_cam_to_cam.txt")
        rect = np.column_stack([self._cameras.matrix("R_rect_00", 3, 3), np.zeros(3)])
        velo = read_calibration(folder.parent / "calib_velo_to_cam.txt")
        self._T_rect_lidar = self._cameras.rigid(rect, "R_rect_00") @ velo.pose("R", "T")
        self._oxts = folder / "oxts" / "data"
        first = min(self._oxts.glob("*.txt"), default=None)
        if first:
            imu = read_calibration(folder.parent / "calib_imu_to_velo.txt")
            self._T_imu_lidar = imu.pose("R", "T").inverse()
            self._latitude, self._origin = float(read_oxts(first)[0]), np.zeros(3)
            self._origin = self._mercator(first).translation
        self._stamps: dict[int, list[int]] = {}

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera) / "data"

    def camera_name(self, camera: int) -> str:
        return f"image_{camera:02d}"

    def projection(self, camera: int, stem: str) -> Projection:
        width, height = self._cameras.matrix(f"S_rect_{camera:02d}", 2)
        matrix = self._cameras.matrix(f"P_rect_{camera:02d}", 3, 4)
        return Projection(matrix, self._T_rect_lidar, (int(width), int(height)), self._cameras.path)

    def stamp(self, camera: int, stem: str) -> int:
        path = self.images(camera).parent / "timestamps.txt"
        if camera not in self._stamps:
            self._stamps[camera] = read_stamps(path) if path.exists() else []
        return _at(self._stamps[camera], stem, path) if path.exists() else int(stem) * SECOND

    def T_world_lidar(self, stem: str) -> Pose | None:
        path = self._oxts / f"{stem}.txt"
        return self._mercator(path) if path.exists() else None

    def _mercator(self, path: Path) -> Pose:
        T_mercator_lidar = oxts_pose(read_oxts(path), self._latitude) @ self._T_imu_lidar
        return Pose(T_mercator_lidar.rotation, T_mercator_lidar.translation - self._origin)


class OdometrySequence:
    """`sequences/<number>`, and for some `poses/<number>.txt`. The world is the lidar frame at the first pose."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.clouds = folder / "velodyne"
        self._calibration = read_calibration(folder / "calib.txt")
        self._T_cam0_lidar = self._calibration.rigid(self._calibration.matrix("Tr", 3, 4), "Tr")
        self._times, self._truth = folder / "times.txt", folder.parent.parent / "poses" / f"{folder.name}.txt"
        self._stamps = read_stamps(self._times) if self._times.exists() else []
        self._poses = read_poses(self._truth) if self._truth.exists() else []

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera)

    def camera_name(self, camera: int) -> str:
        return f"image_{camera}"

    def projection(self, camera: int, stem: str) -> Projection:
        matrix = self._calibration.matrix(f"P{camera}", 3, 4)
        return Projection(matrix, self._T_cam0_lidar, None, self._calibration.path)

    def stamp(self, camera: int, stem: str) -> int:
        return _at(self._stamps, stem, self._times) if self._times.exists() else int(stem) * SECOND

    def T_world_lidar(self, stem: str) -> Pose | None:
        if not self._truth.exists():
            return None
        return self._T_cam0_lidar.inverse() @ _at(self._poses, stem, self._truth) @ self._T_cam0_lidar


class ObjectSplit:
    """`training` or `testing` of the object benchmark: single frames, each with its own calibration."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.clouds = folder / "velodyne"

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera)

    def camera_name(self, camera: int) -> str:
        return f"image_{camera}"

    def projection(self, camera: int, stem: str) -> Projection:
        file = read_calibration(self.folder / "calib" / f"{stem}.txt")
        rect = np.column_stack([file.matrix("R0_rect", 3, 3), np.zeros(3)])
        velo = file.rigid(file.matrix("Tr_velo_to_cam", 3, 4), "Tr_velo_to_cam")
        return Projection(file.matrix(f"P{camera}", 3, 4), file.rigid(rect, "R0_rect") @ velo, None, file.path)

    def stamp(self, camera: int, stem: str) -> int:
        return int(stem) * SECOND

    def T_world_lidar(self, stem: str) -> Pose | None:
        return None


def find_drives(root: Path) -> dict[str, Callable[[], Drive]]:
    """Openers of all drives under root, by name; empty if root has none of the layouts."""
    found: dict[str, Callable[[], Drive]] = {}
    for base in (root, root / "raw", root / "odometry", root / "object"):
        found.update((folder.name.removesuffix("_sync"), partial(RawDrive, folder)) for folder in _raw(base))
        found.update((folder.name, partial(OdometrySequence, folder)) for folder in _odometry(base))
        found.update((folder.name, partial(ObjectSplit, folder)) for folder in _object(base))
    return found


def _raw(base: Path) -> Iterator[Path]:
    """Drives of the raw layout, where `base` is a drive, a date or the folder of the dates."""
    if (base / "velodyne_points").is_dir():
        yield base
        return
    yield from sorted(p for pattern in ("*_sync", "*/*_sync") for p in base.glob(pattern) if p.is_dir())


def _odometry(base: Path) -> Iterator[Path]:
    """Sequences of the odometry layout, where `base` is the data set, its `sequences` or one of these."""
    if (base / "velodyne").is_dir() and not (base / "calib").is_dir():
        yield base
        return
    sequences = base if base.name == "sequences" else base / "sequences"
    if sequences.is_dir():
        yield from sorted(p for p in sequences.iterdir() if p.is_dir())


def _object(base: Path) -> Iterator[Path]:
    """Splits of the object layout, where `base` is the data set or one of its splits."""
    yield from (p for p in (base, base / "training", base / "testing") if (p / "calib").is_dir())


def _at(values: Sequence[T], stem: str, path: Path) -> T:
    """Value of a frame in a file with one line per frame; InputError if there are too few lines."""
    if int(stem) >= len(values):
        raise InputError(f"{path} has {len(values)} lines but there is a frame {stem}: one line per frame", "times")
    return values[int(stem)]

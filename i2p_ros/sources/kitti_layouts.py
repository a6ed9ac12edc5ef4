# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The three layouts that KITTI folders come in, each answering the same few questions about one drive."""

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
LAYOUTS = (
    "raw (DATE/DATE_drive_NNNN_sync: the folder of the dates, a date or a drive), "
    "odometry (sequences/NN: the folder of `sequences`, or one sequence), "
    "object (training/velodyne: the folder of `training`), "
    "or a folder that holds these as `raw`, `odometry` and `object`"
)


class Drive(Protocol):
    """One drive, sequence or split on disk. Cameras are numbers, 0 to 3; a stem is as 000003."""

    name: str
    clouds: Path

    def images(self, camera: int) -> Path:
        """The folder of a camera's images, which need not exist."""
        ...

    def camera_name(self, camera: int) -> str:
        """What this layout calls the camera."""
        ...

    def projection(self, camera: int, stem: str) -> Projection:
        """How the camera saw this frame."""
        ...

    def stamp(self, camera: int, stem: str) -> int:
        """Nanoseconds; one second a frame where the drive has no times."""
        ...

    def T_world_lidar(self, stem: str) -> Pose | None:
        """Where the lidar was, if the drive knows."""
        ...


class RawDrive:
    """`<date>/<date>_drive_<number>_sync` with the calibration in the date folder.

    The world is level: x east, y north, z up, with the origin where the lidar was in the first oxts record.
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
    """`sequences/<number>` and, for some, `poses/<number>.txt`. The world is the lidar frame of the first pose."""

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
    """`training` or `testing` of the object benchmark: scattered frames, each with a calibration of its own."""

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
    """Name and opener of every drive under root, by name; empty where root has none of the layouts."""
    found: dict[str, Callable[[], Drive]] = {}
    for base in (root, root / "raw", root / "odometry", root / "object"):
        found.update((folder.name.removesuffix("_sync"), partial(RawDrive, folder)) for folder in _raw(base))
        found.update((folder.name, partial(OdometrySequence, folder)) for folder in _odometry(base))
        found.update((folder.name, partial(ObjectSplit, folder)) for folder in _object(base))
    return found


def _raw(base: Path) -> Iterator[Path]:
    """`base` is a drive, a date or the folder of the dates."""
    if (base / "velodyne_points").is_dir():
        yield base
        return
    yield from sorted(p for pattern in ("*_sync", "*/*_sync") for p in base.glob(pattern) if p.is_dir())


def _odometry(base: Path) -> Iterator[Path]:
    """`base` is the data set, its `sequences`, or one of these."""
    if (base / "velodyne").is_dir() and not (base / "calib").is_dir():
        yield base
        return
    sequences = base if base.name == "sequences" else base / "sequences"
    if sequences.is_dir():
        yield from sorted(p for p in sequences.iterdir() if p.is_dir())


def _object(base: Path) -> Iterator[Path]:
    """`base` is the data set or one of its splits."""
    yield from (p for p in (base, base / "training", base / "testing") if (p / "calib").is_dir())


def _at(values: Sequence[T], stem: str, path: Path) -> T:
    """The value of a frame in a file with one line a frame."""
    if int(stem) >= len(values):
        raise InputError(f"{path} has {len(values)} lines but there is a frame {stem}: one line a frame", "times")
    return values[int(stem)]

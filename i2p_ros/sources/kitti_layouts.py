# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layouts of KITTI folders, each with a class for one of its drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.kitti_360 import Kitti360Drive, kitti_360_root
from i2p_ros.sources.kitti_files import (
    SECOND,
    Mercator,
    Projection,
    StampFiles,
    of_frame,
    read_calibration,
    read_oxts,
    read_poses,
)


class Drive(Protocol):
    """One drive, sequence or split on disk. Cameras are numbered 0 to 3. A stem is a file name such as 000003."""

    name: str
    clouds: Path
    cameras: tuple[int, ...]  # the colour cameras with rectified images

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


RAW_ENDINGS = ("*_sync", "*_extract")


class RawDrive:
    """`<date>/<date>_drive_<number>_sync` with the calibration in the date folder or in the drive.

    The world has x east, y north and z up. Its origin is the lidar at the first oxts record. Without oxts, or without
    calib_imu_to_velo.txt, there is no world.
    """

    cameras: tuple[int, ...] = (2, 3)

    def __init__(self, folder: Path) -> None:
        if folder.name.endswith("_extract"):
            raise InputError(
                f"{folder} is a KITTI recording that is not synchronised: its images are not rectified, and an image "
                "and a cloud of the same number are not of the same time; use the drive that ends in _sync",
                "source.layout",
            )
        self.folder, self.name = folder, folder.name.removesuffix("_sync")
        self.clouds = folder / "velodyne_points" / "data"
        calibration = folder if (folder / "calib_cam_to_cam.txt").exists() else folder.parent
        self._cameras = read_calibration(calibration / "calib_cam_to_cam.txt")
        velo = read_calibration(calibration / "calib_velo_to_cam.txt")
        self._T_rect_lidar = self._cameras.rotation("R_rect_00") @ velo.pose("R", "T")
        self._oxts, imu = folder / "oxts" / "data", calibration / "calib_imu_to_velo.txt"
        first = min(self._oxts.glob("*.txt"), default=None)
        self._world: Mercator | None = None
        if first and imu.exists():
            self._world = Mercator(read_oxts(first)[0], read_calibration(imu).pose("R", "T").inverse())
        self._stamps = StampFiles()

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera) / "data"

    def camera_name(self, camera: int) -> str:
        return f"image_{camera:02d}"

    def projection(self, camera: int, stem: str) -> Projection:
        width, height = self._cameras.matrix(f"S_rect_{camera:02d}", 2)
        matrix = self._cameras.matrix(f"P_rect_{camera:02d}", 3, 4)
        return Projection(matrix, self._T_rect_lidar, (int(width), int(height)), self._cameras.path)

    def stamp(self, camera: int, stem: str) -> int:
        return self._stamps.of(self.images(camera).parent / "timestamps.txt", stem)

    def T_world_lidar(self, stem: str) -> Pose | None:
        path = self._oxts / f"{stem}.txt"
        return self._world.T_world_lidar(read_oxts(path)[0]) if self._world and path.exists() else None


class OdometrySequence:
    """`sequences/<number>`, and for some `poses/<number>.txt`. The world is the lidar frame at the first pose."""

    cameras: tuple[int, ...] = (2, 3)

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.clouds = folder / "velodyne"
        self._calibration = read_calibration(folder / "calib.txt")
        self._T_cam0_lidar = self._calibration.rigid(self._calibration.matrix("Tr", 3, 4), "Tr")
        self._times, self._truth = folder / "times.txt", folder.parent.parent / "poses" / f"{folder.name}.txt"
        self._stamps = StampFiles()
        self._poses = read_poses(self._truth) if self._truth.exists() else []

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera)

    def camera_name(self, camera: int) -> str:
        return f"image_{camera}"

    def projection(self, camera: int, stem: str) -> Projection:
        matrix = self._calibration.matrix(f"P{camera}", 3, 4)
        return Projection(matrix, self._T_cam0_lidar, None, self._calibration.path)

    def stamp(self, camera: int, stem: str) -> int:
        return self._stamps.of(self._times, stem)

    def T_world_lidar(self, stem: str) -> Pose | None:
        if not self._truth.exists():
            return None
        return self._T_cam0_lidar.inverse() @ of_frame(self._poses, stem, self._truth) @ self._T_cam0_lidar


class ObjectSplit:
    """`training` or `testing` of the object benchmark: single frames, each with its own calibration."""

    cameras: tuple[int, ...] = (2, 3)

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.clouds = folder / "velodyne"

    def images(self, camera: int) -> Path:
        return self.folder / self.camera_name(camera)

    def camera_name(self, camera: int) -> str:
        return f"image_{camera}"

    def projection(self, camera: int, stem: str) -> Projection:
        file = read_calibration(self.folder / "calib" / f"{stem}.txt")
        velo = file.rigid(file.matrix("Tr_velo_to_cam", 3, 4), "Tr_velo_to_cam")
        return Projection(file.matrix(f"P{camera}", 3, 4), file.rotation("R0_rect") @ velo, None, file.path)

    def stamp(self, camera: int, stem: str) -> int:
        return int(stem) * SECOND

    def T_world_lidar(self, stem: str) -> Pose | None:
        return None


class TrackingSequence:
    """One sequence of `training` or `testing` of the tracking benchmark. Frames are 0.1 s apart: it has no times.

    The world is as in RawDrive, from `oxts/<number>.txt` with a line for each frame.
    """

    cameras: tuple[int, ...] = (2, 3)

    def __init__(self, split: Path, number: str) -> None:
        self.split, self.number, self.name = split, number, f"{split.name}_{number}"
        self.clouds, self._path = split / "velodyne" / number, split / "oxts" / f"{number}.txt"
        self._calibration = read_calibration(split / "calib" / f"{number}.txt")
        velo = self._calibration.rigid(self._calibration.matrix("Tr_velo_cam", 3, 4), "Tr_velo_cam")
        self._T_rect_lidar = self._calibration.rotation("R_rect") @ velo
        self._oxts = [*read_oxts(self._path)] if self._path.exists() else []
        self._world: Mercator | None = None
        if self._oxts and "Tr_imu_velo" in self._calibration.rows:
            imu = self._calibration.rigid(self._calibration.matrix("Tr_imu_velo", 3, 4), "Tr_imu_velo")
            self._world = Mercator(self._oxts[0], imu.inverse())

    def images(self, camera: int) -> Path:
        return self.split / self.camera_name(camera) / self.number

    def camera_name(self, camera: int) -> str:
        return f"image_{camera:02d}"

    def projection(self, camera: int, stem: str) -> Projection:
        matrix = self._calibration.matrix(f"P{camera}", 3, 4)
        return Projection(matrix, self._T_rect_lidar, None, self._calibration.path)

    def stamp(self, camera: int, stem: str) -> int:
        return int(stem) * SECOND // 10

    def T_world_lidar(self, stem: str) -> Pose | None:
        return self._world.T_world_lidar(of_frame(self._oxts, stem, self._path)) if self._world else None


def find_drives(root: Path) -> dict[str, Callable[[], Drive]]:
    """Openers of all drives under root, by name; empty if root has none of the layouts."""
    found: dict[str, Callable[[], Drive]] = {}
    for base in (root, *(root / name for name in ("raw", "odometry", "object", "tracking", "KITTI-360"))):
        if top := kitti_360_root(base):
            found.update(_kitti_360(top, base))
            continue
        found.update((folder.name.removesuffix("_sync"), partial(RawDrive, folder)) for folder in _raw(base))
        found.update((folder.name, partial(OdometrySequence, folder)) for folder in _odometry(base))
        for split in _splits(base):
            numbers = _sequences_of(split)
            found.update((f"{split.name}_{number}", partial(TrackingSequence, split, number)) for number in numbers)
            if not numbers:
                found[split.name] = partial(ObjectSplit, split)
    return found


def _raw(base: Path) -> list[Path]:
    """Drives of the raw layout, where `base` is a drive, a date or the folder of the dates.

    Drives that are not synchronised are among them only if there are no others.
    """
    if (base / "velodyne_points").is_dir():
        return [base]
    synced, extracted = ([p for p in (*base.glob(end), *base.glob(f"*/{end}")) if p.is_dir()] for end in RAW_ENDINGS)
    return sorted(synced or extracted)


def _odometry(base: Path) -> Iterator[Path]:
    """Sequences of the odometry layout, where `base` is the data set, its `sequences` or one of these."""
    if (base / "velodyne").is_dir() and not (base / "calib").is_dir():
        yield base
        return
    sequences = base if base.name == "sequences" else base / "sequences"
    if sequences.is_dir():
        yield from sorted(p for p in sequences.iterdir() if p.is_dir())


def _splits(base: Path) -> Iterator[Path]:
    """Splits of the object or tracking benchmark, where `base` is the data set or one of its splits."""
    yield from (p for p in (base, base / "training", base / "testing") if (p / "calib").is_dir())


def _sequences_of(split: Path) -> list[str]:
    """Numbers of the sequences of a split of the tracking benchmark; empty for a split of the object benchmark."""
    folders = [p for name in ("velodyne", "image_02", "image_03") for p in (split / name).glob("[0-9]*")]
    return sorted({p.name for p in folders if p.is_dir()})


def _kitti_360(top: Path, base: Path) -> Iterator[tuple[str, Callable[[], Drive]]]:
    """Drives of KITTI-360 with their openers; only that of `base`, if `base` is the folder of one drive."""
    folders = {p.name for part in ("data_2d_raw", "data_3d_raw") for p in (top / part).glob("*_sync") if p.is_dir()}
    chosen = folders & {base.name} or folders
    return ((name.removesuffix("_sync"), partial(Kitti360Drive, top, name)) for name in sorted(chosen))

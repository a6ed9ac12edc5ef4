# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of KITTI folders (Geiger et al. 2013) and of KITTI-360 (Liao et al. 2022)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2p_ros.core.errors import InputError
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.cloud_columns import FEWEST_NUMBERS
from i2p_ros.sources.cloud_files import read_cloud_file
from i2p_ros.sources.image_files import read_image
from i2p_ros.sources.kinds import KITTI_LAYOUTS
from i2p_ros.sources.kitti_layouts import Drive, find_drives

IMAGE_SUFFIXES = (".png", ".jpg")  # KITTI has PNG; many people convert them to save space


@dataclass(frozen=True, slots=True)
class KittiFrame:
    """Place of one pair in a KITTI folder."""

    drive: Drive
    stem: str
    camera: int
    image: Path
    stamp: int  # ns

    @property
    def name(self) -> str:
        """Name of the pair: drive/frame/camera."""
        return f"{self.drive.name}/{self.stem}/{self.drive.camera_name(self.camera)}"


class KittiSource(Source):
    """Frames of one or more drives that have both an image and a cloud, in the order of drive, frame and camera.

    `cameras` are KITTI's names (image_02 or image_2); without them, the colour cameras are read. `drives` are whole
    names or their numbers (0052 or 04); without them, all drives are read. `skipped` counts images without a cloud and
    clouds without an image, over all cameras. Frames without times are one second apart. Raises InputError if there is
    nothing to read, and for a broken file when it is read.
    """

    def __init__(self, root: Path, cameras: Sequence[str] | None = None, drives: Sequence[str] | None = None) -> None:
        root = Path(root).absolute()
        if not root.is_dir():
            raise InputError(f"{root} is not a folder; expected a KITTI folder: {KITTI_LAYOUTS}", "source.missing")
        openers = find_drives(root)
        if not openers:
            what = "has no KITTI layout" if any(root.iterdir()) else "is empty"
            raise InputError(f"{root} {what}; expected {KITTI_LAYOUTS}", "source.layout")
        numbers = None if cameras is None else sorted({_camera_number(name) for name in cameras})
        self.skipped, self._frames = 0, list[KittiFrame]()
        self._columns: dict[str, str] = {}  # of the clouds, by the name of the drive
        opened = [openers[name]() for name in _chosen(openers, drives)]
        for drive in opened:
            self._frames += self._listed(drive, numbers or drive.cameras)
        if not self._frames:
            raise InputError(self._nothing(root, opened[0], numbers or opened[0].cameras), "source.empty")

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the drives that have frames."""
        return tuple(dict.fromkeys(frame.drive.name for frame in self._frames))

    @property
    def cameras(self) -> tuple[str, ...]:
        """KITTI's names of the cameras that have frames, in the order of their numbers."""
        return tuple(sorted({frame.drive.camera_name(frame.camera) for frame in self._frames}))

    @property
    def name(self) -> str:
        """`kitti` with the names of the drives."""
        return f"kitti {', '.join(self.drives)}"

    @property
    def frames(self) -> tuple[str, str]:
        """KITTI's names of the first camera and of the lidar."""
        first = self._frames[0]
        return first.drive.camera_name(first.camera), "velodyne"

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        image = read_image(frame.image)
        camera, T_camera_lidar = frame.drive.projection(frame.camera, frame.stem).of(image, frame.image)
        pair = Pair(image, camera, self._cloud(frame), frame.stamp, frame.name)
        return Sample(pair, T_camera_lidar, frame.drive.T_world_lidar(frame.stem))

    def _cloud(self, frame: KittiFrame) -> PointCloud:
        """Cloud of a frame. Its columns are those of the drive, once a cloud has told them: a guess takes 18 ms."""
        drive = frame.drive.name
        found = read_cloud_file(frame.drive.clouds / f"{frame.stem}.bin", self._columns.get(drive, ""))
        if len(found.cloud) * len(found.columns) >= FEWEST_NUMBERS:
            self._columns[drive] = ",".join(found.columns)
        return found.cloud

    def _listed(self, drive: Drive, cameras: Sequence[int]) -> Iterator[KittiFrame]:
        clouds = _files(drive.clouds, (".bin",))
        folders = {camera: folder for camera in cameras if (folder := drive.images(camera)).is_dir()}
        images = {camera: _files(folder, IMAGE_SUFFIXES) for camera, folder in folders.items()}
        self.skipped += sum(len(files.keys() ^ clouds.keys()) for files in images.values())
        for stem in sorted(clouds):
            for camera, files in images.items():
                if stem in files:
                    yield KittiFrame(drive, stem, camera, files[stem], drive.stamp(camera, stem))

    def _nothing(self, root: Path, drive: Drive, cameras: Sequence[int]) -> str:
        """A message for a folder without frames, with what its first drive has."""
        names = ", ".join(drive.camera_name(camera) for camera in cameras)
        clouds = len(_files(drive.clouds, (".bin",)))
        folders = [p.name for p in _folder_of_cameras(drive).glob("image_*") if p.is_dir()]
        return (
            f"{root} has no frame with both an image of {names} and a cloud ({self.skipped} files lack their other "
            f"half); {drive.name} has {clouds} clouds in {drive.clouds} (.bin), and images of "
            f"{', '.join(sorted(folders)) or 'no camera'} ({' or '.join(IMAGE_SUFFIXES)})"
        )


def _files(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Files of a folder by stem, if the stem is a number; empty if there is no folder."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in suffixes and path.stem.isdigit()}


def _folder_of_cameras(drive: Drive) -> Path:
    """Folder that holds the folders `image_*` of a drive."""
    images, name = drive.images(drive.cameras[0]), drive.camera_name(drive.cameras[0])
    return next((folder.parent for folder in (images, *images.parents) if folder.name == name), images.parent)


def _camera_number(name: str) -> int:
    match = re.fullmatch(r"image_0?([0-3])", name)
    if not match:
        raise InputError(f"KITTI has no camera {name!r}; it has image_00 to image_03", "source.camera")
    return int(match[1])


def _chosen(openers: dict[str, Callable[[], Drive]], drives: Sequence[str] | None) -> list[str]:
    """Names of the chosen drives, in the order of the folder."""
    if drives is None:
        return list(openers)
    asked = {drive.removesuffix("_sync") for drive in drives}
    names = {name: {name, name.rpartition("_")[2]} & asked for name in openers}
    unknown = asked.difference(*names.values())
    if unknown or not asked:
        short = [name.rpartition("_")[2] for name in openers]
        hint = "".join(did_you_mean(name, [*openers, *short]) for name in sorted(unknown))
        what = f"no drive {', '.join(sorted(unknown))!r}; there are {', '.join(openers)}.{hint}"
        raise InputError(what, "source.drive")
    return [name for name, hit in names.items() if hit]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI folders of the raw, odometry and object layouts (Geiger et al. 2013), recognised from the folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair, Sample
from i2p_ros.sources.kitti_files import read_cloud, read_image
from i2p_ros.sources.kitti_layouts import Drive, find_drives

LAYOUTS = (
    "raw (DATE/DATE_drive_NNNN_sync: the folder of the dates, a date or a drive), "
    "odometry (sequences/NN: the folder of `sequences`, or one sequence), "
    "object (training/velodyne: the folder of `training`), "
    "or a folder that holds these as `raw`, `odometry` and `object`"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one pair lies."""

    drive: Drive
    stem: str
    camera: int
    stamp: int  # ns

    @property
    def name(self) -> str:
        """drive/frame/camera."""
        return f"{self.drive.name}/{self.stem}/{self.drive.camera_name(self.camera)}"


class KittiSource:
    """The frames of one or more drives that have both an image and a cloud, by drive, frame and camera.

    `cameras` are KITTI's names (image_02 or image_2); `drives` keeps these alone: whole names, or their numbers as in
    0052 and 04. `skipped` counts, for each camera, images without a cloud and clouds without an image. Frames without
    times are one second apart. Raises InputError where there is nothing to read, and for a broken file when it is read.
    """

    def __init__(
        self, root: Path, cameras: Sequence[str] = ("image_02", "image_03"), drives: Sequence[str] | None = None
    ) -> None:
        root = Path(root).absolute()
        if not root.is_dir():
            raise InputError(f"{root} is not a folder; expected a KITTI folder: {LAYOUTS}", "source.missing")
        openers = find_drives(root)
        if not openers:
            what = "has no KITTI layout" if any(root.iterdir()) else "is empty"
            raise InputError(f"{root} {what}; expected {LAYOUTS}", "source.layout")
        numbers = sorted({_camera_number(name) for name in cameras})
        self.skipped, self._frames = 0, list[Frame]()
        for name in _chosen(openers, drives):
            self._frames += self._listed(openers[name](), numbers)
        if not self._frames:
            raise InputError(
                f"{root} has no frame with both an image of {', '.join(cameras)} and a cloud "
                f"({self.skipped} files lack their other half)",
                "source.empty",
            )

    @property
    def drives(self) -> tuple[str, ...]:
        """Names of the drives that have frames."""
        return tuple(dict.fromkeys(frame.drive.name for frame in self._frames))

    @property
    def name(self) -> str:
        """kitti and the drives."""
        return f"kitti {', '.join(self.drives)}"

    @property
    def frames(self) -> tuple[str, str]:
        """Names of the first camera, and of the lidar."""
        first = self._frames[0]
        return first.drive.camera_name(first.camera), "velodyne"

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        path = frame.drive.images(frame.camera) / f"{frame.stem}.png"
        image = read_image(path)
        camera, T_camera_lidar = frame.drive.projection(frame.camera, frame.stem).of(image, path)
        cloud = read_cloud(frame.drive.clouds / f"{frame.stem}.bin")
        pair = Pair(image, camera, cloud, frame.stamp, frame.name)
        return Sample(pair, T_camera_lidar, frame.drive.T_world_lidar(frame.stem))

    def _listed(self, drive: Drive, cameras: Sequence[int]) -> Iterator[Frame]:
        clouds = _stems(drive.clouds, ".bin")
        images = {camera: _stems(drive.images(camera), ".png") for camera in cameras if drive.images(camera).is_dir()}
        self.skipped += sum(len(stems ^ clouds) for stems in images.values())
        for stem in sorted(clouds):
            for camera, stems in images.items():
                if stem in stems:
                    yield Frame(drive, stem, camera, drive.stamp(camera, stem))


def _stems(folder: Path, suffix: str) -> set[str]:
    """Numbers, as written, of a folder's files of one kind; none where there is no folder."""
    if not folder.is_dir():
        return set()
    return {path.stem for path in folder.iterdir() if path.suffix == suffix and path.stem.isdigit()}


def _camera_number(name: str) -> int:
    match = re.fullmatch(r"image_0?([0-3])", name)
    if not match:
        raise InputError(f"KITTI has no camera {name!r}; it has image_00 to image_03", "source.camera")
    return int(match[1])


def _chosen(openers: dict[str, Callable[[], Drive]], drives: Sequence[str] | None) -> list[str]:
    """Names of the drives that were asked for, in the order of the folder."""
    if drives is None:
        return list(openers)
    asked = {drive.removesuffix("_sync") for drive in drives}
    names = {name: {name, name.rpartition("_drive_")[2]} & asked for name in openers}
    unknown = asked.difference(*names.values())
    if unknown or not asked:
        raise InputError(f"no drive {', '.join(sorted(unknown))!r}; there are {', '.join(openers)}", "source.drive")
    return [name for name, hit in names.items() if hit]

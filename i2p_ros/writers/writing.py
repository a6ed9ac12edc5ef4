# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any source as a KITTI raw folder or a ROS 2 bag, and rooms in the layout of 7-Scenes.

The target is written whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from i2p_ros.core.errors import InputError
from i2p_ros.core.progress import Progress
from i2p_ros.core.source import Source
from i2p_ros.core.types import Sample

DATE = "synthetic_{:04d}"


def write_kitti_raw(source: Source, root: Path, progress: Progress | None = None) -> None:
    """Write `root` in KITTI's raw layout, in the order of the source.

    A date folder has one calibration. Samples with another camera or T_camera_lidar get a date folder and a drive of
    their own. Images are undistorted. A missing intensity is written as 0. T_world_lidar is written as oxts, with its
    origin at the first sample of the drive. Raises InputError if the target exists or a sample has no true pose.
    """
    from i2p_ros.writers.kitti import DriveWriter, calibration_key

    with _whole(root) as folder:
        folder.mkdir()
        drives: dict[object, DriveWriter] = {}
        for sample in _samples(source, progress):
            key = calibration_key(sample)
            if key not in drives:
                drives[key] = DriveWriter(folder / DATE.format(len(drives)), sample)
            drives[key].add(sample)
        for drive in drives.values():
            drive.finish()


def write_bag(
    source: Source,
    path: Path,
    fmt: Literal["mcap", "sqlite3"] = "mcap",
    compressed_images: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the bag folder `path`.

    Topics are /camera/image (rgb8) or /camera/image/compressed (JPEG), /camera/camera_info, /points, /tf_static
    (T_lidar_camera between the frames `lidar` and `camera_optical_frame`), and /ground_truth/pose if T_world_lidar is
    known. Stamps are those of the source, shifted to start at 1 s if they start earlier: in ROS, 0 means no stamp.
    Raises InputError if the target exists, a sample has no true pose, or the calibration changes.
    """
    from i2p_ros.writers.bag import open_bag

    with _whole(path) as folder, open_bag(folder, fmt, compressed_images) as bag:
        for sample in _samples(source, progress):
            bag.add(sample)


def write_rooms(seed: int, n: int, root: Path, progress: Progress | None = None) -> None:
    """Write `root` in the layout of 7-Scenes: the first n frames of the synthetic rooms of a seed.

    Each room has a sequence for training and one for testing. Raises InputError if the target exists.
    """
    from i2p_ros.synthetic.room_rendering import room_frame
    from i2p_ros.writers.seven_scenes import ScenesWriter

    with _whole(root) as folder:
        folder.mkdir()
        writer = ScenesWriter(folder)
        for index in range(n):
            writer.add(room_frame(seed, index))
            if progress:
                progress(index + 1, n)


def _samples(source: Source, progress: Progress | None) -> Iterator[Sample]:
    """All samples; InputError for a source without samples and for a sample without true pose."""
    total = len(source)
    if not total:
        raise InputError("the source has no samples: there is nothing to write", "source.empty")
    for index in range(total):
        sample = source[index]
        if sample.T_camera_lidar is None:
            raise InputError(f"{sample.pair.name} has no calibration: cannot write its truth", "writer.truth")
        yield sample
        if progress:
            progress(index + 1, total)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Context with a path in a hidden folder beside the target. In the end it is moved to the target; after an error it
    is removed."""
    target = Path(target).absolute()
    if target.exists():
        raise InputError(f"{target} exists already: choose another name or remove it", "writer.exists")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}", "writer.target") from error
    try:
        yield holder / target.name
        (holder / target.name).rename(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}", "writer.target") from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)

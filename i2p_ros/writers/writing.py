# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write any source as a KITTI raw folder or as a ROS 2 bag. A target appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Sample
from i2p_ros.sources.base import Source

Progress = Callable[[int, int], None]  # samples written, samples in all
DATE = "synthetic_{:04d}"


def write_kitti_raw(source: Source, root: Path, progress: Progress | None = None) -> None:
    """Write `root` in KITTI's raw layout, in the order of the source.

    A date folder has one calibration: samples of another camera or mounting go to a drive and date folder of their
    own. Images are written without lens distortion, clouds without intensity with zeros, and T_world_lidar as oxts,
    whose origin is the first sample of the drive. Raises InputError for a target that exists or a sample without truth.
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
    """Write the bag folder `path` with /camera/image (rgb8) or /camera/image/compressed (JPEG), /camera/camera_info,
    /points, /tf_static (the calibration: camera_optical_frame in lidar) and, where known, /ground_truth/pose.

    Times are those of the source, moved to start at 1 s if they start earlier: a ROS stamp of 0 means none.
    Raises InputError for a target that exists, a sample without truth, or a calibration that changes.
    """
    from i2p_ros.writers.bag import open_bag

    with _whole(path) as folder, open_bag(folder, fmt, compressed_images) as bag:
        for sample in _samples(source, progress):
            bag.add(sample)


def _samples(source: Source, progress: Progress | None) -> Iterator[Sample]:
    """Each sample, checked to have what both formats need."""
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
    """A path of the same name in a hidden folder beside the target, moved there in the end or removed on any error."""
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

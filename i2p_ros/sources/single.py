# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of one pair from three files: an image, a cloud and a camera calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.sources.camera_files import file_and_name, read_camera
from i2p_ros.sources.kitti_files import read_cloud as read_kitti_cloud
from i2p_ros.sources.kitti_files import read_image


def read_pair(image: Path, cloud: Path, camera: Path) -> Pair:
    """The pair of an image file, a .bin or .npy cloud file, and a calibration file that read_camera reads.

    Raises InputError if a file is missing or broken, or if image and calibration differ in size.
    """
    for path in (image, cloud, file_and_name(camera)[0]):
        if not path.is_file():
            raise InputError(f"{path} does not exist: give an image, a cloud and a camera calibration", "file.missing")
    pixels = read_image(image)
    height, width = pixels.shape[:2]
    return Pair(pixels, read_camera(camera, (width, height)), read_cloud(cloud), name=image.stem)


def read_cloud(path: Path) -> PointCloud:
    """Cloud of a KITTI .bin file (float32 x, y, z, intensity) or of an .npy array (N, 3) or (N, 4), in m."""
    if path.suffix == ".bin":
        return read_kitti_cloud(path)
    if path.suffix != ".npy":
        raise InputError(f"{path}: a cloud file ends in .bin (KITTI) or .npy, not {path.suffix or 'nothing'}", "cloud")
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a readable .npy array: {error}", "cloud.broken") from error
    if points.ndim != 2 or points.shape[1] not in (3, 4) or points.dtype.kind not in "fiu":
        got = f"{points.shape} {points.dtype}"
        raise InputError(f"{path} must hold real numbers (N, 3) or (N, 4), got {got}", "cloud.shape")
    return PointCloud(points[:, :3], points[:, 3] if points.shape[1] == 4 else None)

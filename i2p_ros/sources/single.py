# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of one pair from three files: an image, a cloud and a camera calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.sources.kitti_files import read_cloud as read_kitti_cloud
from i2p_ros.sources.kitti_files import read_image


def read_pair(image: Path, cloud: Path, camera: Path) -> Pair:
    """The pair of an image file, a .bin or .npy cloud file, and a ROS calibration file (YAML).

    Raises InputError if a file is missing or broken, or if image and calibration differ in size.
    """
    for path in (image, cloud, camera):
        if not path.is_file():
            raise InputError(f"{path} does not exist: give an image, a cloud and a camera calibration", "file.missing")
    return Pair(read_image(image), read_camera(camera), read_cloud(cloud), name=image.stem)


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


def read_camera(path: Path) -> Camera:
    """Camera of a YAML file as camera_calibration and camera_info_manager write it.

    Raises InputError `camera.file` for a file that is not such a calibration.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the calibration {path}: {one_line(error)}", "camera.file") from error
    try:
        size = int(tree["image_width"]), int(tree["image_height"])
        k = _numbers(tree["camera_matrix"]).reshape(3, 3)
        d = _numbers(tree.get("distortion_coefficients") or [])
        return Camera.from_matrix(k, *size, tree.get("distortion_model") or "plumb_bob", d)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a ROS camera calibration ({error!r}); expected image_width, image_height, camera_matrix: "
            "{data: [9 numbers]}, and with a lens distortion_model and distortion_coefficients: {data: [...]}",
            "camera.file",
        ) from error


def _numbers(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(value["data"] if isinstance(value, dict) else value, np.float64)

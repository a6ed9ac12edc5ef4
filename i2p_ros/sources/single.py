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
from i2p_ros.core.types import Pair
from i2p_ros.sources.cloud_files import CloudFile, read_cloud_file
from i2p_ros.sources.kitti_files import read_image


def read_pair(
    image: Path, cloud: Path, camera: Path, columns: str = "", intensity_field: str = ""
) -> tuple[Pair, CloudFile]:
    """The pair of an image file, a cloud file and a ROS calibration file (YAML), and how the cloud was read.

    `columns` and `intensity_field` are those of `read_cloud_file`. Raises InputError if a file is missing or broken, or
    if image and calibration differ in size.
    """
    for path in (image, cloud, camera):
        if not path.is_file():
            raise InputError(f"{path} does not exist: give an image, a cloud and a camera calibration", "file.missing")
    stored = read_cloud_file(cloud, columns, intensity_field)
    return Pair(read_image(image), read_camera(camera), stored.cloud, name=image.stem), stored


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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of one pair from three files: an image, a cloud and a camera calibration."""

from __future__ import annotations

from pathlib import Path

from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair
from i2p_ros.sources.camera_files import file_and_name, read_camera
from i2p_ros.sources.cloud_files import CloudFile, read_cloud_file
from i2p_ros.sources.image_files import read_image


def read_pair(
    image: Path, cloud: Path, camera: Path, columns: str = "", intensity_field: str = ""
) -> tuple[Pair, CloudFile]:
    """The pair of an image file, a cloud file and a calibration file, and how the cloud was read.

    `columns` and `intensity_field` are those of `read_cloud_file`; `read_camera` has the formats of the calibration.
    Raises InputError if a file is missing or broken, or if image and calibration differ in size.
    """
    for path in (image, cloud, file_and_name(camera)[0]):
        if not path.is_file():
            raise InputError(f"{path} does not exist: give an image, a cloud and a camera calibration", "file.missing")
    pixels = read_image(image)
    height, width = pixels.shape[:2]
    stored = read_cloud_file(cloud, columns, intensity_field)
    return Pair(pixels, read_camera(camera, (width, height)), stored.cloud, name=image.stem), stored

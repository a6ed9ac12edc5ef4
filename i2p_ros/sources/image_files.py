# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of one image from a file that OpenCV knows, such as PNG or JPEG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages.images import upper_bits
from i2p_ros.core.types import Image


def read_image(path: Path) -> Image:
    """RGB image (H, W, 3) uint8, of 16 bits as `upper_bits` says; InputError if it cannot be decoded."""
    # the calibration is for the pixels as they are stored: an EXIF rotation must not be applied
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.dtype.kind != "u":
        raise InputError(f"{path} is not a readable image: it is broken or cut short; copy it again", "image.broken")
    if image.dtype.itemsize == 2:
        image = upper_bits(image)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

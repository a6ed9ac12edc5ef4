# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thumbnails, by which successive images of a camera are compared: those of a vehicle at rest hardly differ."""

from __future__ import annotations

import cv2
import numpy as np

from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Image

THUMBNAIL = (160, 48)  # px: width and height


def thumbnail(image: Image, size: tuple[int, int] = THUMBNAIL) -> Array:
    """Grey values (height, width) float64 of an image (H, W, 3) RGB, of a size (width, height) in px."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float64)


def image_change(before: Array, after: Array) -> float:
    """Mean difference of two thumbnails, grey levels."""
    return float(np.abs(after - before).mean())

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small pictures of the windows of the monitor."""

from __future__ import annotations

import cv2
import numpy as np

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair
from i2p_ros.viz.overlays import captioned, overlay

WIDTH = 480  # px
MOST_POINTS = 6000
MOST_BYTES = 40_000
QUALITIES = (80, 60, 40, 25, 12, 5)  # of WebP; the first with at most MOST_BYTES is used


def window_picture(pair: Pair, nominal: Pose, estimate: Pose) -> bytes:
    """WebP of two overlays of a cloud, one above the other: at the nominal and at an estimated T_camera_lidar.

    It has at most MOST_BYTES: images that do not fit are halved.
    """
    height, width = pair.image.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = np.asarray(cv2.resize(pair.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    camera = pair.camera.resized(*size)
    poses = (("nominal calibration", nominal), ("estimated calibration", estimate))
    drawn = [captioned(overlay(image, camera, pair.cloud, pose, MOST_POINTS), title) for title, pose in poses]
    return _encoded(np.concatenate(drawn))


def _encoded(image: np.ndarray) -> bytes:
    for quality in QUALITIES:
        content = cv2.imencode(".webp", image[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
        if len(content) <= MOST_BYTES:
            return content
    return _encoded(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))

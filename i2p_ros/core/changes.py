# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of changes: a camera whose calibration or place changes, and one whose image does not change."""

from __future__ import annotations

import zlib

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose, so3_log
from i2p_ros.core.types import Image

FROZEN = 10  # equal images in a row; the noise of a sensor makes this impossible


class CameraHistory:
    """The latest calibration of one camera. `epoch` is the number of its calibrations so far."""

    def __init__(self) -> None:
        self.camera: Camera | None = None
        self.epoch = 0

    def update(self, camera: Camera) -> str:
        """Stores the latest calibration. Returns a text with old and new if it has changed, else an empty one."""
        if camera == self.camera:
            return ""
        old, self.camera = self.camera, camera
        self.epoch += 1
        return f"the calibration has changed: {old} is now {camera}" if old else ""


class FrozenImage:
    """Detector of a camera that sends the same image again and again, with new stamps."""

    def __init__(self) -> None:
        self._last = 0
        self.repeats = 0

    def update(self, image: Image) -> bool:
        """Whether this image (H, W, 3) and the FROZEN images before it are equal, by their checksums."""
        checksum = zlib.crc32(np.ascontiguousarray(image).data)
        self.repeats = self.repeats + 1 if checksum == self._last else 0
        self._last = checksum
        return self.repeats >= FROZEN


def motion_text(before: Pose, after: Pose) -> str:
    """How far a camera has moved and turned between two T_camera_lidar, such as `0.300 m, 0.0 deg`."""
    metres = np.linalg.norm(after.inverse().translation - before.inverse().translation)
    degrees = np.degrees(np.linalg.norm(so3_log(after.rotation @ before.rotation.T)))
    return f"{metres:.3f} m, {degrees:.1f} deg"

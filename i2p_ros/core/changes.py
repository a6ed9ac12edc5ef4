# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What changes in a stream though it should not, and what does not though it should."""

from __future__ import annotations

import zlib

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.types import Image

FROZEN = 10  # equal images in a row: no sensor is free of noise so long


class CameraHistory:
    """The calibration of one camera, as it comes. `epoch` counts those that were in force, from 1."""

    def __init__(self) -> None:
        self.camera: Camera | None = None
        self.epoch = 0

    def update(self, camera: Camera) -> str:
        """Take over the newest; old and new in words if it is another one, else ""."""
        if camera == self.camera:
            return ""
        old, self.camera = self.camera, camera
        self.epoch += 1
        return f"the calibration has changed: {old} is now {camera}" if old else ""


class FrozenImage:
    """Notices a camera that sends the same picture again and again, with new stamps."""

    def __init__(self) -> None:
        self._last = 0
        self.repeats = 0

    def update(self, image: Image) -> bool:
        """Whether this image (H, W, 3) and the FROZEN before it are all the same, by their checksums."""
        checksum = zlib.crc32(np.ascontiguousarray(image).data)
        self.repeats = self.repeats + 1 if checksum == self._last else 0
        self._last = checksum
        return self.repeats >= FROZEN

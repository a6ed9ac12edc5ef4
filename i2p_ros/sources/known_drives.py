# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI drives for benchmarks of calibrations. No shipped model has learned from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.source import Source
from i2p_ros.sources.opening import open_source


@dataclass(frozen=True)
class KnownDrive:
    """A drive in a folder of KITTI."""

    name: str  # in results
    folder: str
    drive: str
    cameras: tuple[str, ...]
    rate_hz: float  # of its pairs

    def by_camera(self, root: Path, settings: Settings) -> dict[str, Source]:
        """Its source for each camera. `root` is a folder with KITTI's folder odometry or raw. Raises InputError."""
        return {
            camera: open_source("auto", root / self.folder, settings=settings, cameras=[camera], drives=[self.drive])
            for camera in self.cameras
        }


ODOMETRY_04 = KnownDrive("kitti 04", "odometry", "04", ("image_2", "image_3"), 10.0)
SCATTERED = KnownDrive("kitti 9002", "raw", "2011_09_26_drive_9002_sync", ("image_02", "image_03"), 1.0)

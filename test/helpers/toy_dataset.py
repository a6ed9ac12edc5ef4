# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A dataset as a user would add it: files DRIVE/CAMERA/000000.npz, each with the arrays of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample


class ToySource(Source):
    """The samples of some drives and cameras, or of all."""

    def __init__(
        self, root: Path, drives: Sequence[str] | None = None, cameras: Sequence[str] | None = None
    ) -> None:  # fmt: skip
        self._files = [
            file
            for file in sorted(root.glob("*/*/*.npz"))
            if (drives is None or file.parts[-3] in drives) and (cameras is None or file.parts[-2] in cameras)
        ]
        if not self._files:
            raise InputError(f"{root} has no drive {drives} with camera {cameras}", "source.drive")

    @property
    def name(self) -> str:
        return f"toy {', '.join(self.drives)}"

    @property
    def drives(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.parts[-3] for file in self._files))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        with np.load(file) as data:
            image, cloud = data["image"], PointCloud(data["xyz"], data["intensity"])
            camera = Camera.from_matrix(data["k"], image.shape[1], image.shape[0])
            stamp = 10**9 * (1 + int(file.stem))
            return Sample(
                Pair(image, camera, cloud, stamp, "/".join(file.with_suffix("").parts[-3:])),
                Pose.from_matrix(data["T_camera_lidar"]),
            )


def is_toy(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*/*/*.npz"))


def write_toy(folder: Path, samples: Source) -> None:
    """Write the samples as the drives `a` and `b`, each of the cameras `left` and `right`."""
    for index in range(len(samples)):
        sample, camera = samples[index], ("left", "right")[index // 2 % 2]
        file = folder / "ab"[index % 2] / camera / f"{index:06d}.npz"
        assert sample.T_camera_lidar is not None and sample.pair.cloud.intensity is not None
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            file, image=sample.pair.image, k=sample.pair.camera.matrix, T_camera_lidar=sample.T_camera_lidar.matrix,
            xyz=sample.pair.cloud.xyz, intensity=sample.pair.cloud.intensity,
        )  # fmt: skip

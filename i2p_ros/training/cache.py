# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of a source on disk, so that a synthetic world is rendered only once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source, WrappedSource
from i2p_ros.core.types import Pair, PointCloud, Sample


class CachedSource(WrappedSource):
    """A source whose samples are kept in a folder once they are made.

    `settings` is all that the samples depend on besides the name: other settings have a folder of their own.
    """

    def __init__(self, source: Source, folder: Path, settings: str) -> None:
        super().__init__(source)
        self._folder = folder / hashlib.sha256(f"{source.name}\n{settings}".encode()).hexdigest()[:16]

    def __getitem__(self, index: int) -> Sample:
        try:
            return _unpack(self.source, self._file(index), index)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # missing or damaged
            sample = self.source[index]
        self._keep(index, sample)
        return sample

    def fill(self, make: Callable[[Sequence[int]], Sequence[Sample]], part: int = 0, parts: int = 1) -> int:
        """Makes this part of the samples that are not kept yet, many at once, as a GPU does. Returns their number."""
        at_once = 64
        missing = [index for index in range(part, len(self), parts) if not self._file(index).exists()]
        for k in range(0, len(missing), at_once):
            indices = missing[k : k + at_once]
            for index, sample in zip(indices, make(indices), strict=True):
                self._keep(index, sample)
        return len(missing)

    def _file(self, index: int) -> Path:
        return self._folder / f"{index:07d}.npz"

    def _keep(self, index: int, sample: Sample) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._file(index).with_suffix(f".{os.getpid()}.tmp.npz")  # two workers may make the same one
        np.savez(partial, allow_pickle=False, **_pack(sample))
        partial.replace(self._file(index))


def _pack(sample: Sample) -> dict[str, NDArray[Any]]:
    pair, pose = sample.pair, sample.T_camera_lidar
    if pose is None:
        raise InputError("only samples with a true pose are cached", "cache")
    image, c = pair.camera.undistort(pair.image)
    camera = np.array([c.fx, c.fy, c.cx, c.cy, c.width, c.height])
    intensity = {} if pair.cloud.intensity is None else {"intensity": pair.cloud.intensity}
    depth = {} if sample.depth is None else {"depth": sample.depth}
    return {
        "image": image, "xyz": pair.cloud.xyz, "camera": camera, "T_camera_lidar": pose.matrix, **intensity, **depth
    }  # fmt: skip


def _unpack(source: Source, file: Path, index: int) -> Sample:
    with np.load(file, allow_pickle=False) as data:
        fx, fy, cx, cy, width, height = data["camera"]
        camera = Camera(fx, fy, cx, cy, int(width), int(height))
        cloud = PointCloud(data["xyz"], data.get("intensity"))
        pair = Pair(data["image"], camera, cloud, name=f"{source.name}/{index}")
        return Sample(pair, Pose.from_matrix(data["T_camera_lidar"]), depth=data.get("depth"))

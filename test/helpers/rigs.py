# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources for calibrations: lists of samples, pairs of noise, and a synthetic drive in any lidar frame."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.synthetic import SyntheticSource

TURN = Pose.from_rotvec([0.0, 0.0, 2.2], [0.6, -0.4, 0.3])  # T_new_old of a lidar frame that looks elsewhere


class Listed(Source):
    """A source of given samples."""

    def __init__(self, samples: Sequence[Sample], frames: tuple[str, str] = ("camera", "lidar")) -> None:
        self.samples, self._frames = samples, frames

    @property
    def name(self) -> str:
        return "listed"

    @property
    def frames(self) -> tuple[str, str]:
        return self._frames

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def made_up(
    k: int, image: NDArray[np.uint8] | None = None, points: int = 1000, size: tuple[int, int] = (40, 80)
) -> Sample:
    """A sample of coarse noise with the name of its number."""
    rng = np.random.default_rng(k)
    height, width = size
    if image is None:
        image = np.kron(rng.integers(0, 255, (height // 10, width // 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    cloud = PointCloud(rng.uniform(-20, 20, (points, 3)).astype(np.float32))
    camera = Camera(60.0, 60.0, width / 2, height / 2, width, height)
    return Sample(Pair(image, camera, cloud, k * 10**9, str(k)), Pose.identity())


@cache
def drive(seed: int, n: int) -> tuple[tuple[Sample, ...], Pose]:
    """Samples of a synthetic drive in the lidar frame of TURN, and their T_camera_lidar."""
    source = SyntheticSource(SyntheticSettings(drive=True, rate_hz=1.0), seed, n)
    samples = []
    for sample in (source[index] for index in range(n)):
        assert sample.T_camera_lidar is not None
        pair = replace(sample.pair, cloud=sample.pair.cloud.transformed(TURN))
        samples.append(Sample(pair, sample.T_camera_lidar @ TURN.inverse()))
    true = samples[0].T_camera_lidar
    assert true is not None
    return tuple(samples), true

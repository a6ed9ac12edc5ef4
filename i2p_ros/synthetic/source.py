# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of synthetic samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample

if TYPE_CHECKING:
    from i2p_ros.synthetic.rendering import Place
    from i2p_ros.synthetic.room_pairs import RoomSource

FIRST_STAMP, SECOND = 1_000_000_000, 1_000_000_000  # ns


def synthetic_source(settings: SyntheticSettings, seed: int, n: int) -> SyntheticSource | RoomSource:
    """`n` samples of the streets or the rooms of a seed."""
    if not settings.rooms:
        return SyntheticSource(settings, seed, n)
    from i2p_ros.synthetic.room_pairs import RoomSource

    return RoomSource(seed, n)


def refuse_empty(seed: int, n: int) -> None:
    """Raise InputError for a negative seed, and for fewer than one sample."""
    if seed < 0 or n < 1:
        raise InputError(f"a synthetic source needs a seed >= 0 and n >= 1, got seed {seed} and n {n}", "synthetic")


class SyntheticSource(Source):
    """`n` samples of synthetic streets: scattered places, each in a world of its own, or one drive through one world.

    Each sample follows from settings, seed and index, bit for bit. The truth is exact.
    """

    def __init__(self, settings: SyntheticSettings, seed: int, n: int) -> None:
        refuse_empty(seed, n)
        self.settings, self.seed, self.n = settings, seed, n

    @property
    def name(self) -> str:
        """`synthetic` with the kind (places or drive), the seed, and the variety unless it is 0."""
        variety = f", variety {self.settings.variety:g}" if self.settings.variety else ""
        return f"synthetic {'drive' if self.settings.drive else 'places'}, seed {self.seed}{variety}"

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        return self.samples([index])[0]

    def place(self, index: int) -> Place:
        """Place from which sample `index` is rendered. Raises IndexError beyond the samples."""
        from i2p_ros.synthetic.places import drive_place, scattered_place

        if not 0 <= index < self.n:
            raise IndexError(f"sample {index} of {self.n}")
        return (drive_place if self.settings.drive else scattered_place)(self.settings, self.seed, index)

    def samples(self, indices: Sequence[int], device: str = "cpu") -> list[Sample]:
        """Samples of several indices, rendered in batches on a device."""
        from i2p_ros.synthetic.places import T_start_frame
        from i2p_ros.synthetic.rendering import render

        places = [self.place(index) for index in indices]
        images, clouds = render(places, device)
        samples = []
        for index, place, image, cloud in zip(indices, places, images.cpu(), clouds, strict=True):
            points = cloud.cpu().numpy()
            xyz, intensity = np.ascontiguousarray(points[:, :3]), points[:, 3].copy()
            pair = Pair(image.numpy(), place.camera, PointCloud(xyz, intensity), self._stamp(index), f"{index:010d}")
            samples.append(Sample(pair, place.T_camera_lidar, T_start_frame(place.world) @ place.T_world_lidar))
        return samples

    def _stamp(self, index: int) -> int:
        if self.settings.drive:
            return FIRST_STAMP + round(index * SECOND / self.settings.rate_hz)
        return FIRST_STAMP + index * SECOND

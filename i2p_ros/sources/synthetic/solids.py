# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The solids of a street: boxes and ellipsoids that stand upright, each turned about the up axis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Material(IntEnum):
    """What a solid is made of; FOLIAGE and PERSON are ellipsoids, the others are boxes."""

    FACADE = 0
    ROOF = 1
    CAR_BODY = 2
    CAR_CABIN = 3
    WOOD = 4
    FOLIAGE = 5
    METAL = 6
    SIGN = 7
    FENCE = 8
    HEDGE = 9
    PERSON = 10


ROUND = (Material.FOLIAGE, Material.PERSON)


class Solid(NamedTuple):
    """One solid in street coordinates: its middle, bottom and size (m), yaw against the street (rad), RGB albedo."""

    x: float
    offset: float
    bottom: float
    size: tuple[float, float, float]
    yaw: float
    material: Material
    colour: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """N solids as arrays: `centre` (N, 3) float64 in the world, `half` (N, 3), `colour` (3, N), `pattern` (4, N)."""

    centre: NDArray[np.float64]
    half: Floats
    yaw: Floats
    material: NDArray[np.int32]
    colour: Floats
    pattern: Floats

    @staticmethod
    def joined(parts: list[Solids]) -> Solids:
        """All of several in one."""
        return Solids(
            np.concatenate([p.centre for p in parts]),
            np.concatenate([p.half for p in parts]),
            np.concatenate([p.yaw for p in parts]),
            np.concatenate([p.material for p in parts]),
            np.concatenate([p.colour for p in parts], axis=1),
            np.concatenate([p.pattern for p in parts], axis=1),
        )

    def selected(self, index: NDArray[np.generic]) -> Solids:
        """The solids of an index or mask."""
        return Solids(
            self.centre[index],
            self.half[index],
            self.yaw[index],
            self.material[index],
            self.colour[:, index],
            self.pattern[:, index],
        )

    def seen_from(self, position: NDArray[np.float64], reach: float, smallest: float = 0.004) -> Solids:
        """Those within reach (m) of a position whose radius is at least `smallest` (rad) as seen from there."""
        distance = np.linalg.norm(self.centre - position, axis=1)
        radius = np.linalg.norm(self.half, axis=1)
        return self.selected((distance - radius < reach) & (radius > smallest * distance))

    def __len__(self) -> int:
        return len(self.yaw)

    @property
    def cos_sin(self) -> tuple[Floats, Floats]:
        """(N,) cosine and sine of the yaw."""
        return np.cos(self.yaw), np.sin(self.yaw)

    def to_local(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) one world point in the axes of each solid, metres from its centre."""
        c, s = self.cos_sin
        x, y, z = (point - self.centre).T
        return np.stack([c * x + s * y, c * y - s * x, z], axis=1)

    def corners(self) -> NDArray[np.float64]:
        """(N, 8, 3) corners of the bounding boxes in the world; bits 2, 1, 0 of the index are x, y, z."""
        signs = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]) * 2.0 - 1.0
        local = signs * self.half[:, None].astype(np.float64)
        c, s = (a[:, None] for a in self.cos_sin)
        x, y, z = local[..., 0], local[..., 1], local[..., 2]
        return np.stack([c * x - s * y, s * x + c * y, z], axis=-1) + self.centre[:, None]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slots along streets, and side streets, of which each block has at most one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from i2p_ros.synthetic.random_streams import Array, RandomStream, between
from i2p_ros.synthetic.worlds import ORIGIN_STEP, World

REACH = 108.0  # m of street with objects before and after the first ORIGIN_STEP metres of a frame
SIDE_STREET = 1  # number of the random stream


@dataclass(frozen=True, slots=True, eq=False)
class SideStreets:
    """Side streets of S blocks of P worlds, as arrays or tensors.

    `first` (P, 1) int64 is the number of the first block. `middle` (P, S) is the position of each side street along the
    street, m. `left` and `right` (P, S) are its half widths on both sides, m, and 0 where there is none.
    """

    first: Any
    middle: Any
    left: Any
    right: Any

    def on_device(self, device: torch.device) -> SideStreets:
        """The same side streets as tensors on a device."""
        return SideStreets(*(torch.from_numpy(a).to(device) for a in (self.first, self.middle, self.left, self.right)))

    def free(self, along: Array, offset: Array, half_length: Array | float) -> Array:
        """Mask (P, S) of objects that stand in no side street.

        `along` and `offset` (P, S) are their street coordinates, m, `half_length` is along the street, m.
        """
        half = np.where(offset[..., None] > 0, self.left[:, None], self.right[:, None])
        apart = np.abs(along[..., None] - self.middle[:, None]) - np.asarray(half_length)[..., None]
        return np.asarray(((half == 0) | (apart > half)).all(-1))


def slots(world: World, spacing: Array | float) -> tuple[Array, Array]:
    """Numbers (P, S) int32 of the slots of a spacing (m) within REACH, and the position (P, S) where each starts, m."""
    count = int(np.ceil((2.0 * REACH + ORIGIN_STEP) / np.min(spacing))) + 1
    number = np.floor((world.origin - REACH) / spacing) + np.arange(count)
    return number.astype(np.int32), (number * spacing - world.origin).astype(np.float32)


def draw_side_streets(world: World) -> SideStreets:
    """Random side streets within REACH."""
    number, start = slots(world, world.block)
    here, at, width, left, right = RandomStream(world.key, number, SIDE_STREET).draw(5)
    half = np.where(here < world.crossings, between(width, 2.5, 5.0), np.float32(0.0))
    middle = start + between(at, 0.25, 0.75) * world.block
    return SideStreets(number[:, :1].astype(np.int64), middle, half * (left < 0.7), half * (right < 0.7))

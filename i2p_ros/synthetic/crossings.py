# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slots along streets, and side streets: at most one a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from i2p_ros.synthetic.dice import Array, Dice, between
from i2p_ros.synthetic.worlds import SNAP, World

REACH = 108.0  # m along the street, before and after the first SNAP metres of a frame, that have things on them
CROSSING = 1  # a kind of thing, for its dice


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Arrays or tensors: `first` (P, 1) int64 number of the first block; `middle` (P, S) m along the street of the side
    street of each; half widths (P, S) m of the side streets to the left and to the right, 0 where there is none."""

    first: Any
    middle: Any
    left: Any
    right: Any

    def on_device(self, device: torch.device) -> Crossings:
        """The same as tensors."""
        return Crossings(*(torch.from_numpy(a).to(device) for a in (self.first, self.middle, self.left, self.right)))

    def free(self, along: Array, offset: Array, half_length: Array | float) -> Array:
        """(P, S) whether what is so long and so far to the left of the centre line does not stand in a side street."""
        half = np.where(offset[..., None] > 0, self.left[:, None], self.right[:, None])
        apart = np.abs(along[..., None] - self.middle[:, None]) - np.asarray(half_length)[..., None]
        return np.asarray(((half == 0) | (apart > half)).all(-1))


def slots(world: World, spacing: Array | float) -> tuple[Array, Array]:
    """Numbers (P, S) int32 of the stretches of a spacing (m) within reach, and where each starts (m)."""
    count = int(np.ceil((2.0 * REACH + SNAP) / np.min(spacing))) + 1
    number = np.floor((world.origin - REACH) / spacing) + np.arange(count)
    return number.astype(np.int32), (number * spacing - world.origin).astype(np.float32)


def crossings(world: World) -> Crossings:
    """The side streets within reach."""
    number, start = slots(world, world.block)
    here, at, width, left, right = Dice(world.key, number, CROSSING).draw(5)
    half = np.where(here < world.crossings, between(width, 2.5, 5.0), np.float32(0.0))
    middle = start + between(at, 0.25, 0.75) * world.block
    return Crossings(number[:, :1].astype(np.int64), middle, half * (left < 0.7), half * (right < 0.7))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The solids of streets: boxes, tapered boxes, ellipsoids and tubes, upright, each turned about the up axis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from i2p_ros.synthetic.crossings import REACH, Crossings, slots
from i2p_ros.synthetic.dice import Array, picked
from i2p_ros.synthetic.terrain import ground_height, to_world
from i2p_ros.synthetic.worlds import SNAP, World

VIEW = 105.0  # m; solids farther away are left out
SMALLEST = 0.0035  # rad; so are those that look smaller than this

Value = Array | float
Colour = tuple[Value, Value, Value]


class Shape(IntEnum):
    """BOX; TAPER, whose sides lean inwards; BALL, an ellipsoid; TUBE, an upright cylinder."""

    BOX = 0
    TAPER = 1
    BALL = 2
    TUBE = 3


class Material(IntEnum):
    """What a solid is made of."""

    FACADE = 0
    HALL = 1
    ROOF = 2
    PLASTER = 3
    CAR_BODY = 4
    CAR_CABIN = 5
    TRUCK = 6
    WOOD = 7
    LEAVES = 8
    METAL = 9
    SIGN = 10
    FENCE = 11
    CLOTH = 12
    SKIN = 13


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """M solids of several places, sorted by shape.

    `place` (M,) int64; `centre` (3, M) m in the frame of its world; `half` (3, M) m; `cos`, `sin` (M,) of the yaw;
    `shape`, `material` (M,) int64; `cover` (M,) share of the surface that is there: leaves and boards leave gaps;
    `taper` (2, M) share of the half size in x and y that is lost from bottom to top; `colour` (3, M) albedo;
    `tint` (M,) 0..1, random.
    """

    place: Tensor
    centre: Tensor
    half: Tensor
    cos: Tensor
    sin: Tensor
    shape: Tensor
    material: Tensor
    cover: Tensor
    taper: Tensor
    colour: Tensor
    tint: Tensor

    def __len__(self) -> int:
        return len(self.place)


class Site:
    """Where the solids of P worlds are collected, in street coordinates."""

    def __init__(self, world: World, sides: Crossings) -> None:
        self.world, self.sides = world, sides
        self._parts: list[Array] = []
        self._things = 0

    def both_sides(self, spacing: Value) -> tuple[Array, Array, Array]:
        """Slots of a spacing (m) on both sides: their numbers (P, S) int32, starts (P, S) m and sides, 1 for left."""
        number, start = slots(self.world, spacing)
        side = np.ones_like(start)
        twice = np.concatenate([2 * number, 2 * number + 1], 1)
        return twice, np.concatenate([start, start], 1), np.concatenate([side, -side], 1)

    def free(self, along: Array, offset: Array, half_length: Value) -> Array:
        """(P, S) whether what is so long does not stand in a side street."""
        return self.sides.free(along, offset, half_length)

    def things(self, present: Array) -> Array:
        """(S,) numbers for new things of several solids, which are there together or not at all."""
        first = self._things
        self._things += present.shape[1]
        return np.arange(first, self._things)

    def add(
        self,
        shape: Shape,
        material: Material | Array,
        present: Array,
        place: tuple[Value, Value, Value],
        size: tuple[Value, Value, Value],
        colour: Colour,
        tint: Value,
        yaw: Value = 0.0,
        cover: Value = 1.0,
        taper: tuple[Value, Value] = (0.0, 0.0),
        thing: Array | None = None,
    ) -> None:
        """Solids where `present`, (P, S) or (P, S, parts).

        `place`: along and offset of the middle, and the bottom's height over the ground, m; `size` in m; `yaw` against
        the street, rad; `thing` (S,): what those of a slot belong to, or else they are one of its own.
        """
        thing = self.things(present) if thing is None else thing
        thing = thing.reshape(-1, *(1,) * (present.ndim - 2))
        values = (*place, *size, yaw, cover, *taper, *colour, tint, float(shape), material, present, thing)
        part = np.empty((len(values), *np.broadcast_shapes(present.shape, np.shape(place[0]))), np.float32)
        for k, value in enumerate(values):
            part[k] = value
        self._parts.append(part.reshape(*part.shape[:2], -1))

    def solids(self, world: World, eye: Tensor, clearance: Tensor) -> Solids:
        """What can be seen from eyes (3, P, 1), without things that reach within the clearance (P, 1), m, of them: what
        is higher than the eyes does not count.

        `world` is that of the site on the device of the eyes, on which the solids will be.
        """
        all_ = torch.from_numpy(np.concatenate(self._parts, 2)).to(eye.device)
        along, offset, bottom, *size, yaw = all_[:7]
        half = torch.stack(size) * 0.5
        x, y, cos, sin = to_world(world, along, offset)
        centre = torch.stack([x, y, ground_height(world, x, y) + bottom + half[2]])
        cos_yaw, sin_yaw = torch.cos(yaw), torch.sin(yaw)
        cos, sin = cos * cos_yaw - sin * sin_yaw, sin * cos_yaw + cos * sin_yaw
        away = centre - eye
        distance, radius = ((v * v).sum(0).sqrt() for v in (away, half))
        dx, dy = cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]
        outside = torch.hypot((dx.abs() - half[0]).clamp_(min=0.0), (dy.abs() - half[1]).clamp_(min=0.0))
        there = all_[16] > 0
        away_from_it = torch.where(there & (away[2] - half[2] < 0), outside, torch.inf)
        thing = all_[17].long()
        least = torch.full((len(thing), self._things), torch.inf, device=eye.device)
        least = least.scatter_reduce(1, thing, away_from_it, "amin").gather(1, thing)
        seen = there & (along > -REACH) & (along < SNAP + REACH) & (least > clearance)
        seen = seen & (distance - radius < VIEW) & (radius > SMALLEST * distance)
        place, index = seen.nonzero(as_tuple=True)
        flat = place * seen.shape[1] + index
        order = torch.argsort(picked(all_[14].view(-1), flat), stable=True)
        place, flat = place[order], flat[order]
        table = torch.cat([centre, half, cos[None], sin[None], all_[7:16]])
        table = picked(table.view(len(table), -1), flat)
        return Solids(
            place, table[0:3], table[3:6], table[6], table[7], table[15].long(), table[16].long(),
            table[8], table[9:11], table[11:14], table[14],
        )  # fmt: skip


def paint(grey: Array, tints: tuple[Array, Array, Array], low: float, high: float, spread: float) -> Colour:
    """A grey between low and high, by 0..1, with a tint of some spread, warm rather than cold."""
    level, warm, side = (
        low + grey * (high - low),
        spread * (1.4 * tints[0] - 0.4),
        0.35 * spread * (2.0 * tints[1] - 1.0),
    )
    red, green, blue = (np.clip(level * (1.0 + c), 0.02, 0.95) for c in (warm - side, 0.3 * warm + side, -warm - side))
    return red, green, blue

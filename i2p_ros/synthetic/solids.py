# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Solids of streets and rooms: upright boxes, tapered boxes, ellipsoids and cylinders, turned about the vertical."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import Array, picked
from i2p_ros.synthetic.side_streets import REACH, SideStreets, slots
from i2p_ros.synthetic.terrain import ground_height, to_world
from i2p_ros.synthetic.worlds import ORIGIN_STEP, World

MAX_RANGE = 105.0  # m; solids at a larger distance are left out
MIN_ANGLE = 0.0035  # rad; solids of a smaller angular radius are left out

Value = Array | float
Colour = tuple[Value, Value, Value]


class Shape(IntEnum):
    """Shape of a solid. The sides of a tapered box lean inwards. Cylinders are upright."""

    BOX = 0
    TAPERED_BOX = 1
    ELLIPSOID = 2
    CYLINDER = 3


class Material(IntEnum):
    """Material of a solid: it decides texture, roughness and infrared reflectance."""

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
    FLOORBOARDS = 14
    TILES = 15
    WALLPAPER = 16
    CABINET = 17
    BOOKS = 18
    PICTURE = 19
    SCREEN = 20
    CARTON = 21
    DOOR = 22
    WINDOW = 23


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """M solids of several places, sorted by shape.

    `place` (M,) int64 is the index of the place. `centre` (3, M) is in the frame of its world, m. `half` (3, M) are
    half sizes, m. `cos` and `sin` (M,) are those of the yaw. `shape` and `material` are (M,) int64. `cover` (M,) is the
    share of the surface without gaps, which leaves and boards have. `taper` (2, M) is the share by which the half sizes
    in x and y shrink from bottom to top. `colour` (3, M) is the albedo. `tint` (M,) is random in 0..1.
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

    def to(self, device: torch.device) -> Solids:
        """The same solids on a device."""
        return Solids(*(getattr(self, field.name).to(device) for field in fields(self)))


class Site:
    """Collection of the solids of P worlds, in street coordinates."""

    def __init__(self, world: World, side_streets: SideStreets) -> None:
        self.world, self.side_streets = world, side_streets
        self._parts: list[Array] = []
        self._groups = 0

    def both_sides(self, spacing: Value) -> tuple[Array, Array, Array]:
        """Slots of a spacing (m) on both sides of the street.

        Returns their numbers (P, S) int32, the positions (P, S) where they start (m), and their sides (P, S): 1 for
        left, -1 for right.
        """
        number, start = slots(self.world, spacing)
        side = np.ones_like(start)
        twice = np.concatenate([2 * number, 2 * number + 1], 1)
        return twice, np.concatenate([start, start], 1), np.concatenate([side, -side], 1)

    def free(self, along: Array, offset: Array, half_length: Value) -> Array:
        """Mask (P, S) of objects that stand in no side street, as `SideStreets.free`."""
        return self.side_streets.free(along, offset, half_length)

    def groups(self, present: Array) -> Array:
        """Numbers (S,) of new groups. The solids of a group are all kept or all left out."""
        first = self._groups
        self._groups += present.shape[1]
        return np.arange(first, self._groups)

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
        group: Array | None = None,
    ) -> None:
        """Adds solids where `present`, which is (P, S) or (P, S, parts).

        `place` is along and offset of the middle and the height of the bottom above the ground, m. `size` is in m,
        `yaw` against the street in rad. `group` (S,) are numbers of `groups`. Without it each slot is a new group.
        """
        group = self.groups(present) if group is None else group
        group = group.reshape(-1, *(1,) * (present.ndim - 2))
        values = (*place, *size, yaw, cover, *taper, *colour, tint, float(shape), material, present, group)
        part = np.empty((len(values), *np.broadcast_shapes(present.shape, np.shape(place[0]))), np.float32)
        for k, value in enumerate(values):
            part[k] = value
        self._parts.append(part.reshape(*part.shape[:2], -1))

    def solids(self, world: World, eye: Tensor, clearance: Tensor) -> Solids:
        """Solids within range of `eye` (3, P, 1), m, on its device.

        Groups are left out where a solid comes within the horizontal `clearance` (P, 1), m, of the eye. Solids that are
        entirely above the eye do not count. `world` is the site's world on the device of `eye`.
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
        group = all_[17].long()
        least = torch.full((len(group), self._groups), torch.inf, device=eye.device)
        least = least.scatter_reduce(1, group, away_from_it, "amin").gather(1, group)
        kept = there & (along > -REACH) & (along < ORIGIN_STEP + REACH) & (least > clearance)
        kept = kept & (distance - radius < MAX_RANGE) & (radius > MIN_ANGLE * distance)
        place, index = kept.nonzero(as_tuple=True)
        flat = place * kept.shape[1] + index
        order = torch.argsort(picked(all_[14].view(-1), flat), stable=True)
        place, flat = place[order], flat[order]
        table = torch.cat([centre, half, cos[None], sin[None], all_[7:16]])
        table = picked(table.view(len(table), -1), flat)
        return Solids(
            place, table[0:3], table[3:6], table[6], table[7], table[15].long(), table[16].long(),
            table[8], table[9:11], table[11:14], table[14],
        )  # fmt: skip


def random_colour(grey: Array, tints: tuple[Array, Array, Array], low: float, high: float, spread: float) -> Colour:
    """Random colour: a grey between low and high, by `grey` (0..1), with a tint that is more often warm than cold.

    `tints` are random numbers in 0..1, `spread` is the strength of the tint.
    """
    level, warm, side = (
        low + grey * (high - low),
        spread * (1.4 * tints[0] - 0.4),
        0.35 * spread * (2.0 * tints[1] - 1.0),
    )
    red, green, blue = (np.clip(level * (1.0 + c), 0.02, 0.95) for c in (warm - side, 0.3 * warm + side, -warm - side))
    return red, green, blue

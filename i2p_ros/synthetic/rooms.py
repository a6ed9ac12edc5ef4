# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms: floor, walls, furniture and what lies on it, as solids. Lengths are in m, z is up from the floor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from i2p_ros.core.geometry import Array
from i2p_ros.synthetic.solids import Material, Shape, Solids

WALL_THICKNESS = 0.2
MARGIN = 1.15  # m from the walls to the part of the room where a camera moves: deeper than all furniture
CLUTTER = (Material.BOOKS, Material.CARTON, Material.PLASTER, Material.METAL, Material.CLOTH)

Colour = tuple[float, float, float]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A room around the origin: its sizes (m) in x, y and z, its solids, and its lamp and window.

    `lights` (L, 4) are position (m) and strength of its lights, `ambient` is the light from everywhere.
    """

    size: Point
    solids: Solids
    lights: Array
    ambient: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the room: position on the floor, and the direction (rad) of its front."""

    x: float
    y: float
    yaw: float

    def at(self, across: float, ahead: float) -> Spot:
        """The spot moved to its right and ahead, m."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return Spot(self.x + c * ahead + s * across, self.y + s * ahead - c * across, self.yaw)

    def turned(self, angle: float) -> Spot:
        """The spot with its front turned by an angle, rad."""
        return Spot(self.x, self.y, self.yaw + angle)


class Furnisher:
    """Collection of the solids of one room."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._rows: list[tuple[float, ...]] = []

    def colour(self, low: float = 0.15, high: float = 0.85, spread: float = 0.5) -> Colour:
        """Random colour: a grey with a tint."""
        level, tint = self.rng.uniform(low, high), self.rng.uniform(-spread, spread, 3)
        red, green, blue = np.clip(level * (1.0 + tint), 0.03, 0.95).tolist()
        return red, green, blue

    def wood(self) -> Colour:
        """Random colour of wood, or of white or black paint."""
        if self.rng.random() < 0.3:
            return self.colour(0.1, 0.9, 0.05)
        level = self.rng.uniform(0.12, 0.6)
        return level, level * self.rng.uniform(0.6, 0.8), level * self.rng.uniform(0.3, 0.55)

    def add(
        self,
        spot: Spot,
        bottom: float,
        size: Point,
        material: Material,
        colour: Colour,
        shape: Shape = Shape.BOX,
        taper: float = 0.0,
        cover: float = 1.0,
    ) -> None:
        """Add a solid that stands `bottom` above the floor. `size` is depth, width and height."""
        centre = (spot.x, spot.y, bottom + 0.5 * size[2])
        half = (0.5 * size[0], 0.5 * size[1], 0.5 * size[2])
        turn = (math.cos(spot.yaw), math.sin(spot.yaw))
        self._rows.append(
            (*centre, *half, *turn, shape, material, cover, taper, taper, *colour, float(self.rng.random()))
        )

    def solids(self) -> Solids:
        """The solids, sorted by shape."""
        table = np.array(self._rows, np.float32)
        rows = torch.from_numpy(table[np.argsort(table[:, 8], kind="stable")].T.copy())
        place = torch.zeros(rows.shape[1], dtype=torch.int64)
        return Solids(
            place, rows[0:3], rows[3:6], rows[6], rows[7], rows[8].long(), rows[9].long(), rows[10], rows[11:13],
            rows[13:16], rows[16],
        )  # fmt: skip


def random_room(seed: int, index: int) -> Room:
    """Room `index` of a seed."""
    rng = np.random.default_rng((seed, 5, index))
    size = tuple(rng.uniform([3.6, 3.4, 2.4], [6.5, 5.2, 3.0]).tolist())
    made = Furnisher(rng)
    _shell(made, size)
    window = _walls(made, size)
    _middle(made, size)
    lamp = (*rng.uniform(-0.3, 0.3, 2).tolist(), size[2] - 0.25, rng.uniform(0.3, 1.2))
    return Room(size, made.solids(), np.array([lamp, (*window, rng.uniform(0.2, 1.4))]), float(rng.uniform(0.15, 0.4)))


def _shell(made: Furnisher, size: Point) -> None:
    """Floor, ceiling and walls."""
    x, y, z = size
    rng, t = made.rng, WALL_THICKNESS
    floor = rng.choice([Material.FLOORBOARDS, Material.TILES, Material.CLOTH])
    made.add(Spot(0.0, 0.0, 0.0), -t, (x + 2 * t, y + 2 * t, t), Material(floor), made.wood())
    made.add(Spot(0.0, 0.0, 0.0), z, (x + 2 * t, y + 2 * t, t), Material.PLASTER, (0.8, 0.8, 0.78))
    paint = made.colour(0.45, 0.85, 0.15)
    for turn in range(4):
        along, away = (y, x) if turn % 2 == 0 else (x, y)
        spot = Spot(0.0, 0.0, 0.5 * math.pi * turn).at(0.0, 0.5 * (away + t))
        made.add(spot, 0.0, (t, along + 2 * t, z), Material.WALLPAPER, paint if rng.random() < 0.8 else made.colour())


def _walls(made: Furnisher, size: Point) -> Point:
    """Furniture, pictures, a door and windows along the walls; the position of a window."""
    x, y, z = size
    rng = made.rng
    window, door = rng.permutation(4)[:2]
    light = (0.0, 0.0, z)
    for turn in range(4):
        along, away = (y, x) if turn % 2 == 0 else (x, y)
        room_front = Spot(0.0, 0.0, 0.5 * math.pi * turn).at(0.0, 0.5 * away)
        wall = room_front.turned(math.pi)  # its front faces the room
        at, end = -0.5 * along + (0.9 if turn % 2 else 0.1), 0.5 * along - (0.9 if turn % 2 else 0.1)
        if turn == window:
            made.add(wall.at(rng.uniform(-0.4, 0.4), 0.02), 0.95, (0.06, 1.3, 1.2), Material.WINDOW, (0.9, 0.9, 0.9))
            place = wall.at(0.0, 0.4)
            light = (place.x, place.y, 1.6)
        while at < end - 0.5:
            if turn == door and abs(at + 0.5) < 0.5:
                made.add(wall.at(at + 0.5, 0.02), 0.0, (0.06, 0.9, 2.0), Material.DOOR, made.wood())
                at += 1.1
                continue
            piece = PIECES[int(rng.integers(len(PIECES)))]
            width = min(float(rng.uniform(*piece[1])), end - at)
            piece[0](made, wall.at(at + 0.5 * width, 0.0), width, turn != window)
            at += width + float(rng.uniform(0.0, 0.5))
    return light


def _middle(made: Furnisher, size: Point) -> None:
    """A table with chairs, and what stands about on the floor."""
    rng = made.rng
    if rng.random() < 0.8:
        spot = Spot(rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(-math.pi, math.pi))
        _table(made, spot, rng.uniform(0.9, 1.5), rng.uniform(0.7, 0.95), rng.uniform(0.45, 0.78))
        for side in rng.permutation(4)[: rng.integers(0, 4)]:
            _chair(made, spot.turned(0.5 * math.pi * side + rng.normal(0.0, 0.2)).at(0.0, 0.85).turned(math.pi))
    for _ in range(int(rng.integers(2, 7))):
        x, y = (rng.uniform(-1.0, 1.0, 2) * (0.5 * np.array(size[:2]) - 0.5)).tolist()
        spot = Spot(x, y, rng.uniform(-math.pi, math.pi))
        s = rng.uniform(0.12, 0.45)
        kind = rng.random()
        if kind < 0.5:
            made.add(spot, 0.0, (s, s * rng.uniform(0.6, 1.5), s), Material.CARTON, made.wood())
        elif kind < 0.75:
            made.add(spot, 0.0, (s, s, s), Material.CLOTH, made.colour(), Shape.ELLIPSOID)
        else:
            made.add(spot, 0.0, (s, s, 1.5 * s), Material.METAL, made.colour(), Shape.CYLINDER)


def _clutter(made: Furnisher, spot: Spot, top: float, depth: float, width: float, most: int) -> None:
    """Small things on a surface at height `top`, which is `depth` x `width` about a spot."""
    rng = made.rng
    for _ in range(int(rng.integers(0, most + 1))):
        place = spot.at(rng.uniform(-0.42, 0.42) * width, rng.uniform(-0.35, 0.35) * depth)
        size = rng.uniform([0.05, 0.05, 0.03], [0.25, 0.3, 0.35])
        shape = Shape.CYLINDER if rng.random() < 0.3 else Shape.BOX
        if shape == Shape.CYLINDER:
            size[1] = size[0] = min(size[0], 0.14)
        material = CLUTTER[int(rng.integers(len(CLUTTER)))]
        made.add(place.turned(rng.uniform(-3.0, 3.0)), top, tuple(size.tolist()), material, made.colour(), shape)


def _table(made: Furnisher, spot: Spot, width: float, depth: float, height: float) -> None:
    colour = made.wood()
    made.add(spot, height - 0.03, (depth, width, 0.03), Material.WOOD, colour)
    for across in (-1.0, 1.0):
        for ahead in (-1.0, 1.0):
            leg = spot.at(across * (0.5 * width - 0.05), ahead * (0.5 * depth - 0.05))
            made.add(leg, 0.0, (0.05, 0.05, height - 0.03), Material.WOOD, colour)
    _clutter(made, spot, height, depth, width, 8)


def _chair(made: Furnisher, spot: Spot) -> None:
    colour, cloth = made.wood(), made.colour()
    made.add(spot, 0.42, (0.42, 0.42, 0.05), Material.CLOTH, cloth)
    made.add(spot.at(0.0, -0.2), 0.47, (0.03, 0.4, 0.45), Material.WOOD, colour)
    for across in (-0.18, 0.18):
        for ahead in (-0.18, 0.18):
            made.add(spot.at(across, ahead), 0.0, (0.04, 0.04, 0.42), Material.WOOD, colour)


def _bookcase(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    rng = made.rng
    height = rng.uniform(1.5, 2.1) if tall else 0.85
    depth, colour, shelf = 0.3, made.wood(), rng.uniform(0.3, 0.4)
    made.add(wall.at(0.0, 0.01), 0.0, (0.02, width, height), Material.WOOD, colour)
    for across in (-0.5, 0.5):
        made.add(wall.at(across * width, 0.5 * depth), 0.0, (depth, 0.03, height), Material.WOOD, colour)
    for level in np.arange(0.05, height, shelf):
        made.add(wall.at(0.0, 0.5 * depth), float(level), (depth, width, 0.02), Material.WOOD, colour)
        if level + shelf < height and rng.random() < 0.85:
            full, at = width * rng.uniform(0.4, 0.95), rng.uniform(-0.02, 0.02)
            size = (rng.uniform(0.14, 0.24), full, shelf * rng.uniform(0.55, 0.9))
            made.add(wall.at(at + 0.5 * (full - width), 0.16), float(level) + 0.02, size, Material.BOOKS, made.colour())
    _clutter(made, wall.at(0.0, 0.5 * depth), height, depth, width, 3)


def _cabinet(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    depth, height = made.rng.uniform(0.35, 0.6), made.rng.uniform(0.7, 1.9 if tall else 0.9)
    made.add(wall.at(0.0, 0.5 * depth), 0.0, (depth, width, height), Material.CABINET, made.wood())
    _clutter(made, wall.at(0.0, 0.5 * depth), height, depth, width, 5)
    _picture(made, wall, width, height + 0.2 < 1.5)


def _desk(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    rng, spot = made.rng, wall.at(0.0, 0.36)
    _table(made, spot, width, 0.65, rng.uniform(0.7, 0.76))
    for across in rng.permutation([-0.25, 0.0, 0.25])[: rng.integers(1, 3)]:
        screen = spot.at(across * width, -0.12).turned(rng.normal(0.0, 0.2))
        made.add(screen, 0.75, (0.15, 0.2, 0.02), Material.METAL, (0.05, 0.05, 0.05))
        made.add(screen, 0.77, (0.03, 0.05, 0.12), Material.METAL, (0.05, 0.05, 0.05))
        made.add(screen, 0.87, (0.03, rng.uniform(0.4, 0.6), 0.34), Material.SCREEN, (0.03, 0.03, 0.035))
    if rng.random() < 0.7:
        _chair(made, spot.at(rng.uniform(-0.2, 0.2), 0.5).turned(math.pi + rng.normal(0.0, 0.4)))
    _picture(made, wall, width, tall)


def _sofa(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    colour, depth = made.colour(), 0.85
    made.add(wall.at(0.0, 0.5 * depth), 0.1, (depth, width, 0.32), Material.CLOTH, colour)
    made.add(wall.at(0.0, 0.12), 0.1, (0.22, width, 0.75), Material.CLOTH, colour)
    for across in (-0.5, 0.5):
        made.add(wall.at(across * (width - 0.18), 0.5 * depth), 0.1, (depth, 0.18, 0.5), Material.CLOTH, colour)
    for _ in range(int(made.rng.integers(0, 4))):
        pillow = wall.at(made.rng.uniform(-0.35, 0.35) * width, 0.32)
        made.add(pillow, 0.4, (0.16, 0.42, 0.4), Material.CLOTH, made.colour(), Shape.ELLIPSOID)
    _picture(made, wall, width, tall)


def _plant(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    rng, spot = made.rng, wall.at(0.0, 0.3)
    size = rng.uniform(0.35, 0.55)
    pot = (0.3, 0.3, 0.3)
    made.add(spot, 0.0, pot, Material.PLASTER, made.colour(), Shape.CYLINDER)
    green = (0.08, rng.uniform(0.2, 0.4), 0.06)
    leaves = (size, size, rng.uniform(0.5, 1.1))
    made.add(spot, 0.28, leaves, Material.LEAVES, green, Shape.ELLIPSOID, cover=rng.uniform(0.5, 0.8))


def _lamp(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    spot, colour = wall.at(0.0, 0.3), made.colour(0.5, 0.9, 0.2)
    made.add(spot, 0.0, (0.28, 0.28, 0.03), Material.METAL, (0.1, 0.1, 0.1), Shape.CYLINDER)
    made.add(spot, 0.03, (0.04, 0.04, 1.4), Material.METAL, (0.1, 0.1, 0.1), Shape.CYLINDER)
    made.add(spot, 1.4, (0.4, 0.4, 0.3), Material.CLOTH, colour, Shape.TAPERED_BOX, taper=0.3)


def _picture(made: Furnisher, wall: Spot, width: float, fits: bool) -> None:
    if fits and made.rng.random() < 0.75:
        size = (0.04, min(made.rng.uniform(0.3, 1.0), width), made.rng.uniform(0.3, 0.7))
        made.add(wall.at(0.0, 0.02), made.rng.uniform(1.35, 1.6), size, Material.PICTURE, made.colour())


def _bare(made: Furnisher, wall: Spot, width: float, tall: bool) -> None:
    _picture(made, wall, width, tall)


Piece = Callable[[Furnisher, Spot, float, bool], None]
PIECES: tuple[tuple[Piece, tuple[float, float]], ...] = (  # along a wall, with the range of widths
    (_bookcase, (0.6, 1.2)), (_cabinet, (0.6, 1.4)), (_desk, (1.1, 1.6)), (_sofa, (1.3, 2.0)), (_plant, (0.6, 0.8)),
    (_lamp, (0.6, 0.8)), (_bare, (0.6, 1.2)),
)  # fmt: skip

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street: a curve with a cross-section, and the things that stand along it, made block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.sources.synthetic.solids import Floats, Material, Solid, Solids

BLOCK = 32.0  # m of street that are made at a time
BEHIND, AHEAD = 4, 4  # blocks around the one where the vehicle is
NO_BLOCK_BELOW = 10**6  # numbers of blocks, which may be negative, are shifted by this for their seed
WORLD_STREAM, BLOCK_STREAM = 1, 2  # what else of a world is random has other streams of the same key

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Street:
    """The centre line y = sum of sines of x, and the cross-section, the same on both sides (m from the centre line)."""

    slope_amplitude: Floats
    wavenumber: Floats
    phase: Floats
    road: float  # half width of the carriageway
    kerb: float  # parking lane ends here, sidewalk begins
    sidewalk: float  # sidewalk ends here

    @staticmethod
    def random(rng: np.random.Generator) -> Street:
        """A street drawn from rng: slope of the centre line at most 0.3."""
        road = rng.uniform(3.0, 4.6)
        kerb = road + rng.choice([0.3, 2.2])
        return Street(
            rng.uniform(0.02, 0.1, 3).astype(np.float32),
            (2.0 * np.pi / rng.uniform(120.0, 500.0, 3)).astype(np.float32),
            rng.uniform(0.0, 6.28, 3).astype(np.float32),
            float(road),
            float(kerb),
            float(kerb + rng.uniform(1.6, 3.5)),
        )

    def centre(self, x: ArrayLike) -> NDArray[np.floating]:
        """y of the centre line at x."""
        x = np.asarray(x)
        terms = zip(self.slope_amplitude / self.wavenumber, self.wavenumber, self.phase, strict=True)
        return np.asarray(sum(a * np.sin(k * x + p) for a, k, p in terms))

    def slope(self, x: ArrayLike) -> NDArray[np.floating]:
        """dy/dx of the centre line at x."""
        x = np.asarray(x)
        terms = zip(self.slope_amplitude, self.wavenumber, self.phase, strict=True)
        return np.asarray(sum(a * np.cos(k * x + p) for a, k, p in terms))

    def heading(self, x: ArrayLike) -> NDArray[np.floating]:
        """Direction of the street at x, rad."""
        return np.asarray(np.arctan(self.slope(x)))

    def at(self, x: ArrayLike, offset: ArrayLike) -> NDArray[np.float64]:
        """(2, ...) world x, y of the places `offset` m to the left of the centre line at x."""
        heading = self.heading(x)
        return np.stack([x - offset * np.sin(heading), self.centre(x) + offset * np.cos(heading)])

    def offset(self, x: Floats, y: Floats) -> Floats:
        """Distance of world points to the left of the centre line (exact where the street is straight)."""
        slope = self.slope(x)
        return np.asarray((y - self.centre(x)) / np.sqrt(1.0 + slope * slope), np.float32)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of street: its solids, its side street (half width 0: none; which sides) and its verges."""

    solids: Solids
    side_half_width: float
    side_left: bool
    side_right: bool
    grass_left: bool
    grass_right: bool


class World:
    """One street world: everything follows from `key`, however much of it is looked at and in which order."""

    def __init__(self, key: tuple[int, ...], busy: bool) -> None:
        """busy: cars stand in the vehicle's own lane as well."""
        self.key, self.busy = key, busy
        rng = np.random.default_rng((*key, WORLD_STREAM))
        self.street = Street.random(rng)
        self.ground = rng.uniform(0.85, 1.15, (6, 1)) * rng.uniform(0.93, 1.07, (6, 3))  # tint of the palette
        self.tall = rng.uniform(5.0, 14.0)
        self.leaf = rng.uniform([0.10, 0.25, 0.05], [0.35, 0.45, 0.15])
        elevation, azimuth = rng.uniform(0.35, 1.2), rng.uniform(-np.pi, np.pi)
        flat = np.cos(elevation)
        self.sun = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], np.float32)
        self.haze = float(rng.uniform(120.0, 400.0))  # m over which the contrast falls to 1/e
        self.blocks: dict[int, Block] = {}

    def block(self, number: int) -> Block:
        """The stretch from number * BLOCK on; only the last few are kept."""
        if number not in self.blocks:
            if len(self.blocks) > 4 * (AHEAD + BEHIND):
                self.blocks.clear()
            self.blocks[number] = _Builder(self, number).build()
        return self.blocks[number]

    def around(self, x: float) -> tuple[Solids, int, list[Block]]:
        """The solids near x, the number of the first block among them, and these blocks."""
        here = int(np.floor(x / BLOCK))
        first = here - BEHIND
        blocks = [self.block(k) for k in range(first, here + AHEAD + 1)]
        return Solids.joined([block.solids for block in blocks]), first, blocks


class _Builder:
    """Makes one block from its own random numbers."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.street = world, world.street
        self.rng = np.random.default_rng((*world.key, BLOCK_STREAM, number + NO_BLOCK_BELOW))
        self.start = number * BLOCK
        self.solids: list[Solid] = []

    def build(self) -> Block:
        rng = self.rng
        crossing = rng.random() < 0.35
        half_width = float(rng.uniform(3.0, 5.5)) if crossing else 0.0
        left, right = (bool(crossing and rng.random() < 0.7) for _ in range(2))
        for side, opens in ((1, left), (-1, right)):
            room = BLOCK - (2.0 * half_width if opens else 0.0)
            self._houses(side, room)
            self._trees_and_poles(side, room)
            self._parked_cars(side, room)
            if opens:
                self._side_street(side, half_width)
        self._traffic()
        grass = rng.random(2) < 0.4
        return Block(self._placed(), half_width, left, right, bool(grass[0]), bool(grass[1]))

    def _add(
        self,
        x: float,
        offset: float,
        bottom: float,
        size: tuple[float, float, float],
        material: Material,
        colour: Colour | NDArray[np.float64],
        yaw: float = 0.0,
    ) -> None:
        """A solid of a size (m) at street coordinates, turned by yaw against the street."""
        red, green, blue = colour
        self.solids.append(Solid(x, offset, bottom, size, yaw, material, (red, green, blue)))

    def _placed(self) -> Solids:
        """The solids so far, in the world."""
        x, offset, bottom, size, yaw, material, colour = (np.array(a) for a in zip(*self.solids, strict=True))
        half = size / 2.0
        return Solids(
            np.column_stack([*self.street.at(x, offset), bottom + half[:, 2]]),
            half.astype(np.float32),
            (yaw + self.street.heading(x)).astype(np.float32),
            material.astype(np.int32),
            np.ascontiguousarray(colour.T, np.float32),
            self.rng.random((4, len(x)), np.float32),
        )

    def _colour(self, low: float, high: float, spread: float) -> NDArray[np.float64]:
        """A grey between low and high with a tint of some spread."""
        grey = self.rng.uniform(low, high)
        tint = 1.0 + spread * self.rng.uniform(-1.0, 1.0, 3)
        return np.minimum(grey * tint, 0.95)

    def _houses(self, side: int, room: float) -> None:
        rng, at, end = self.rng, self.start, self.start + room
        while end - at > 4.0:
            length = min(rng.uniform(6.0, 15.0), end - at)
            gap = rng.uniform(1.0, 6.0) if rng.random() < 0.45 else 0.0
            front = self.street.sidewalk + (rng.uniform(1.0, 5.0) if rng.random() < 0.5 else 0.2)
            if rng.random() < 0.88:
                self._house(at + length / 2, side, front, length)
            if front > self.street.sidewalk + 1.0 and rng.random() < 0.7:
                self._border(at + length / 2, side, length)
            at += length + gap

    def _house(self, x: float, side: int, front: float, length: float) -> None:
        rng = self.rng
        depth, height = rng.uniform(7.0, 13.0), self.world.tall * rng.uniform(0.5, 1.5)
        yaw, colour = rng.normal(0.0, 0.02), self._colour(0.25, 0.85, 0.35)
        self._add(x, side * (front + depth / 2), 0.0, (length, depth, height), Material.FACADE, colour, yaw)
        top = (length * rng.uniform(0.5, 1.04), depth * rng.uniform(0.5, 1.06), rng.uniform(0.4, 2.5))
        self._add(x, side * (front + depth / 2), height, top, Material.ROOF, self._colour(0.15, 0.45, 0.4), yaw)
        if rng.random() < 0.4:  # a bay or a shop front
            bay = (length * rng.uniform(0.2, 0.6), rng.uniform(0.6, 1.6), height * rng.uniform(0.3, 0.8))
            shift = (length - bay[0]) * rng.uniform(-0.45, 0.45)
            self._add(x + shift, side * front, 0.0, bay, Material.FACADE, self._colour(0.25, 0.85, 0.3), yaw)

    def _border(self, x: float, side: int, length: float) -> None:
        """A fence or a hedge between a front garden and the sidewalk."""
        offset, height = side * (self.street.sidewalk + 0.3), self.rng.uniform(0.8, 1.6)
        if self.rng.random() < 0.5:
            self._add(x, offset, 0.0, (length, 0.1, height), Material.FENCE, self._colour(0.3, 0.9, 0.2))
        else:
            self._add(x, offset, 0.0, (length, 0.7, height), Material.HEDGE, self.world.leaf)

    def _trees_and_poles(self, side: int, room: float) -> None:
        rng = self.rng
        for x in self.start + rng.uniform(0.5, room - 0.5, rng.integers(1, 4)):
            offset = side * (self.street.kerb + rng.uniform(0.4, 0.9))
            (self._tree if rng.random() < 0.55 else self._pole)(float(x), offset, side)
        if rng.random() < 0.5:
            x, offset = self.start + rng.uniform(0.5, room), side * (self.street.sidewalk - rng.uniform(0.3, 1.0))
            self._add(x, offset, 0.0, (0.45, 0.5, 1.45), Material.PERSON, self._colour(0.1, 0.7, 0.5))
            self._add(x, offset, 1.4, (0.24, 0.24, 0.3), Material.PERSON, (0.6, 0.45, 0.35))

    def _tree(self, x: float, offset: float, side: int) -> None:
        rng = self.rng
        height, crown, thick = rng.uniform(2.2, 3.6), rng.uniform(1.2, 2.4), rng.uniform(0.2, 0.5)
        self._add(x, offset, 0.0, (thick, thick, height + 0.5), Material.WOOD, (0.3, 0.22, 0.15), rng.uniform(0, 1.5))
        leaf = self.world.leaf * rng.uniform(0.7, 1.3)
        for _ in range(rng.integers(2, 5)):
            dx, dy = rng.normal(0.0, 0.45 * crown, 2)
            size = crown * rng.uniform(0.9, 1.8, 3)
            bottom = height + rng.uniform(-0.3, 0.7) * crown
            self._add(x + dx, offset + dy, bottom, tuple(size.tolist()), Material.FOLIAGE, leaf, rng.uniform(0, 3.0))

    def _pole(self, x: float, offset: float, side: int) -> None:
        rng = self.rng
        height, thick, grey = rng.uniform(2.4, 7.0), rng.uniform(0.08, 0.22), self._colour(0.25, 0.6, 0.1)
        self._add(x, offset, 0.0, (thick, thick, height), Material.METAL, grey)
        if height > 4.5:  # a lamp on an arm over the road
            arm = rng.uniform(1.0, 2.2)
            self._add(x, offset - side * arm / 2, height - 0.15, (0.12, arm, 0.15), Material.METAL, grey)
        else:
            size = (0.06, rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9))
            paint = [(0.8, 0.1, 0.1), (0.1, 0.2, 0.75), (0.9, 0.85, 0.2), (0.9, 0.9, 0.9)][rng.integers(4)]
            self._add(x, offset, height - size[2], size, Material.SIGN, paint, rng.normal(0.0, 0.15))

    def _car(self, x: float, offset: float, yaw: float) -> None:
        """A body with a cabin on it, or a van of one piece."""
        rng = self.rng
        length, width, colour = rng.uniform(3.7, 4.8), rng.uniform(1.65, 1.9), self._colour(0.06, 0.9, 0.5)
        if rng.random() < 0.15:
            self._add(x, offset, 0.25, (length + 0.8, width + 0.15, 1.9), Material.CAR_BODY, colour, yaw)
            return
        self._add(x, offset, 0.2, (length, width, 0.7), Material.CAR_BODY, colour, yaw)
        back, cabin = -0.08 * length * np.cos(yaw), (0.52 * length, width - 0.2, rng.uniform(0.5, 0.65))
        self._add(x + back, offset, 0.9, cabin, Material.CAR_CABIN, colour, yaw)

    def _parked_cars(self, side: int, room: float) -> None:
        rng, street = self.rng, self.street
        if street.kerb - street.road < 1.0:
            return
        for place in np.arange(self.start + 3.0, self.start + room - 3.0, 5.6):
            if rng.random() < 0.5:
                turned = 0.0 if rng.random() < 0.7 else np.pi
                self._car(float(place), side * (street.road + 1.1), rng.normal(0.0, 0.03) + turned)

    def _traffic(self) -> None:
        """Cars on the road: on the left, which comes towards the vehicle, and in its own lane where it is busy."""
        rng, lane = self.rng, self.street.road / 2
        if rng.random() < 0.5:
            self._car(self.start + rng.uniform(2.0, 30.0), lane + 0.3, np.pi + rng.normal(0.0, 0.03))
        if rng.random() < 0.35 and self.world.busy:
            self._car(self.start + rng.uniform(2.0, 30.0), -lane - 0.2, rng.normal(0.0, 0.03))

    def _side_street(self, side: int, half_width: float) -> None:
        """Houses along both sides of a side street, behind those of the street itself; sometimes one closes it."""
        rng, middle = self.rng, self.start + BLOCK - half_width
        for across in (-1, 1):
            depth = rng.uniform(8.0, 12.0)
            x, length = middle + across * (half_width + 2.0 + depth / 2), rng.uniform(10.0, 18.0)
            size = (depth, length, self.world.tall * rng.uniform(0.5, 1.4))
            offset = side * (self.street.sidewalk + 19.0 + length / 2)
            self._add(x, offset, 0.0, size, Material.FACADE, self._colour(0.25, 0.85, 0.35))
        if rng.random() < 0.5:
            size = (rng.uniform(10.0, 20.0), 8.0, self.world.tall * rng.uniform(0.5, 1.4))
            far = side * rng.uniform(45.0, 60.0)
            self._add(middle, far, 0.0, size, Material.FACADE, self._colour(0.25, 0.85, 0.35))

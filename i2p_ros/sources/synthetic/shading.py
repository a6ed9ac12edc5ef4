# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a ray sees where it hits: colour, normal, how the surface answers infrared. One pass over all hits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array
from i2p_ros.sources.synthetic.casting import GROUND
from i2p_ros.sources.synthetic.solids import ROUND, Floats, Material, Solids
from i2p_ros.sources.synthetic.street import BLOCK, Block, World

ROAD, MARKING, KERB, SIDEWALK, GRASS, PAVING = range(6)
PALETTE = np.array(
    [[0.27, 0.27, 0.28], [0.85, 0.85, 0.82], [0.6, 0.59, 0.57], [0.45, 0.43, 0.41], [0.2, 0.33, 0.12], [0.4, 0.36, 0.3]]
)
GROUND_GAIN = np.array([0.8, 1.1, 0.9, 0.9, 1.5, 0.9], np.float32)  # infrared against visible
SOLID_GAIN = np.array([0.95, 0.8, 0.9, 0.9, 1.1, 1.5, 1.0, 1.8, 0.95, 1.5, 0.9], np.float32)  # by Material
NOISE_SIZE = 256
GLASS = (0.10, 0.12, 0.14)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The world around one place."""

    world: World
    solids: Solids
    first_block: int
    blocks: list[Block]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """n surface points: `albedo` (3, n), `normal` (3, n), `gain` (n,) of infrared, `glass` (n,)."""

    albedo: Floats
    normal: Floats
    gain: Floats
    glass: NDArray[np.bool_]


def surface(scene: Scene, origin: Array, towards: Floats, distance: Floats, solid: NDArray[np.int32]) -> Surface:
    """The surface at `towards` (3, n), metres from the origin along world axes, on these solids or the ground."""
    n = len(solid)
    out = Surface(np.empty((3, n), np.float32), np.empty((3, n), np.float32), np.empty(n, np.float32), np.zeros(n, bool))
    for index, part in (
        (np.flatnonzero(solid == GROUND), _ground),
        (np.flatnonzero(solid >= 0), _solid),
    ):
        points, fade = towards[:, index], 1.0 / (1.0 + distance[index] / 15.0)
        albedo, normal, gain, glass = part(scene, origin, points, fade.astype(np.float32), solid[index])
        out.albedo[:, index], out.normal[:, index] = albedo, normal
        out.gain[index], out.glass[index] = gain, glass
    return out


_Part = tuple[Floats, Floats, Floats, NDArray[np.bool_]]


def _ground(scene: Scene, origin: Array, points: Floats, fade: Floats, solid: NDArray[np.int32]) -> _Part:
    x, y = points[0] + np.float32(origin[0]), points[1] + np.float32(origin[1])
    kind = _ground_kind(scene, x, scene.world.street.offset(x, y))
    albedo = (PALETTE * scene.world.ground).astype(np.float32).T[:, kind]
    texture = 0.3 * (noise(x * 0.9, y * 0.9) - 0.5) + 0.7 * fade * (noise(x * 9.0, y * 9.0) - 0.5)
    slabs = (kind == SIDEWALK) & ((x % 1.2 < 0.07) | (y % 0.8 < 0.07))
    albedo *= 1.0 + texture - 0.35 * slabs
    normal = np.zeros_like(points)
    normal[2] = 1.0
    return albedo, normal, GROUND_GAIN[kind], np.zeros(len(x), bool)


def _ground_kind(scene: Scene, x: Floats, offset: Floats) -> NDArray[np.int8]:
    """(n,) the palette entry at each x and distance to the left of the centre line."""
    street, blocks = scene.world.street, scene.blocks
    number = np.clip(np.floor(x / BLOCK).astype(np.int32) - scene.first_block, 0, len(blocks) - 1)
    left, away = offset > 0, np.abs(offset)
    grass = np.array([[b.grass_right, b.grass_left] for b in blocks])[number, left.view(np.int8)]
    kind = np.where(grass, np.int8(GRASS), np.int8(PAVING))
    kind[away < street.sidewalk] = SIDEWALK
    kind[away < street.kerb + 0.15] = KERB
    road = away < street.kerb
    # a side street lies at the end of its block; `along` is measured from its middle
    half = np.array([b.side_half_width for b in blocks], np.float32)[number]
    opens = np.array([[b.side_right, b.side_left] for b in blocks])[number, left.view(np.int8)]
    along = np.abs(x - (number + scene.first_block + 1) * np.float32(BLOCK) + half)
    side = opens & (along < half) & ~road
    kind[road | side] = ROAD
    kind[_markings(street.road, half, along, away, x, road, side)] = MARKING
    return kind


def _markings(
    road_width: float,
    half: Floats,
    along: Floats,
    away: Floats,
    x: Floats,
    road: NDArray[np.bool_],
    side: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """(n,) whether paint is there: dashed centre lines, edge lines, zebra crossings at side streets."""
    junction = (half > 0) & (along < half + 4.0)
    dashed = (away < 0.1) & (x % 7.0 < 4.0) & ~junction
    edge = (np.abs(away - road_width) < 0.08) & ~(along < half)
    zebra = junction & road & (along > half + 0.8) & (along < half + 3.6) & (away % 1.0 < 0.5)
    middle = side & (along < 0.1) & (away % 6.0 < 3.0)
    return np.asarray(dashed | edge | zebra | middle)


def _solid(scene: Scene, origin: Array, points: Floats, fade: Floats, solid: NDArray[np.int32]) -> _Part:
    solids = scene.solids
    local, half = _local(solids, origin, points, solid), np.ascontiguousarray(solids.half.T)[:, solid]
    material = solids.material[solid]
    albedo, glass = solids.colour[:, solid], np.zeros(len(solid), bool)
    unit = local / half
    axis = np.abs(unit).argmax(axis=0)
    normal = _box_normal(unit, axis)
    across, up = np.where(axis == 0, local[1], local[0]), np.where(axis == 2, local[1], local[2] + half[2])
    for kind, paint in PAINTERS.items():
        index = np.flatnonzero(material == kind)
        if len(index):
            pattern = solids.pattern[:, solid[index]]
            side = axis[index]
            albedo[:, index], glass[index] = paint(
                albedo[:, index], across[index], up[index], half[:, index], side, pattern, local[:, index]
            )
    rough = np.isin(material, (*ROUND, Material.HEDGE))
    shift = solids.pattern[0, solid] * NOISE_SIZE
    texture = noise(across * 11.0 + shift, up * 11.0 + axis * 37) - 0.5
    broad = noise(across * 1.1 + shift, up * 1.1 + 91.0) - 0.5
    albedo *= 1.0 + np.where(rough, 1.1, 0.6) * fade * texture + 0.35 * broad
    index = np.flatnonzero(np.isin(material, ROUND))
    ball = unit[:, index] / half[:, index]
    normal[:, index] = ball / np.linalg.norm(ball, axis=0)
    return albedo, _to_world(solids, normal, solid), SOLID_GAIN[material], glass


def _local(solids: Solids, origin: Array, points: Floats, solid: NDArray[np.int32]) -> Floats:
    """(3, n) points in the axes of their solids."""
    centre = np.ascontiguousarray((solids.centre - origin).T.astype(np.float32))
    cos, sin = (a[solid] for a in solids.cos_sin)
    x, y = points[0] - centre[0][solid], points[1] - centre[1][solid]
    return np.stack([cos * x + sin * y, cos * y - sin * x, points[2] - centre[2][solid]])


def _to_world(solids: Solids, normal: Floats, solid: NDArray[np.int32]) -> Floats:
    """(3, n) directions of the axes of solids along world axes."""
    cos, sin = (a[solid] for a in solids.cos_sin)
    return np.stack([cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1], normal[2]])


def _box_normal(unit: Floats, axis: NDArray[np.int64]) -> Floats:
    """(3, n) outward normals of the faces on which points (3, n) of the unit cube lie."""
    return np.stack([np.where(axis == k, np.sign(unit[k]), np.float32(0)) for k in range(3)])


_Painted = tuple[Floats, NDArray[np.bool_]]


def _facade(
    albedo: Floats,
    across: Floats,
    up: Floats,
    half: Floats,
    side: NDArray[np.int64],
    pattern: Floats,
    local: Floats,
) -> _Painted:
    """Rows of windows, some with curtains, over a plinth or a shop floor, and a cornice."""
    width, storey = 1.5 + 1.8 * pattern[0], 2.7 + 0.8 * pattern[1]
    column, row = across / width + 97.5, up / storey
    u, v = column % 1.0, row % 1.0
    high = up < 2.0 * half[2] - 0.5
    share = 0.16 + 0.14 * pattern[2]
    window = (np.abs(u - 0.5) < 0.5 - share) & (np.abs(v - 0.55) < 0.28) & high & (side != 2)
    frame = window & ((np.abs(u - 0.5) > 0.46 - share) | (np.abs(v - 0.55) > 0.25))
    light = noise(np.floor(column) * 7.0 + pattern[3] * 200.0, np.floor(row) * 5.0 + 0.5)
    shop = (up < storey) & (pattern[3] > 0.5) & (side != 2)
    albedo = albedo * np.where(shop, np.float32(0.6), np.float32(1)) * np.where(high, np.float32(1), np.float32(0.7))
    glass = window & ~frame & (light < 0.62)
    pane = np.where(light < 0.62, 0.08 + 0.25 * light, 0.75).astype(np.float32)
    albedo = np.where(window, np.where(frame, np.float32(0.8), pane), albedo)
    return albedo, glass


def _car_body(
    albedo: Floats,
    across: Floats,
    up: Floats,
    half: Floats,
    side: NDArray[np.int64],
    pattern: Floats,
    local: Floats,
) -> _Painted:
    """Wheels on the flanks, lamps and a plate at the ends; the upper part of a van is window in front."""
    forward = np.abs(local[0]) - 0.31 * 2.0 * half[0]
    wheel = (side == 1) & (forward * forward + (up - 0.12) ** 2 < 0.32**2)
    low = up < 0.12
    end, out = side == 0, np.abs(local[1])
    lamp = end & (out > half[1] - 0.35) & (up > 0.35) & (up < 0.55)
    plate = end & (out < 0.27) & (up > 0.12) & (up < 0.27)
    glass = (half[2] > 0.7) & (up > 1.0) & (up < 1.65) & (side != 2) & (local[0] > half[0] - 1.3)
    albedo = np.where(wheel | low, np.float32(0.05), albedo)
    albedo = np.where(lamp[None], _lamp(local[0]), np.where(plate, np.float32(0.9), albedo))
    return np.where(glass, np.array(GLASS, np.float32)[:, None], albedo), glass


def _lamp(forward: Floats) -> Floats:
    """White in front, red behind."""
    red = np.array([0.7, 0.06, 0.05], np.float32)[:, None]
    return np.where(forward > 0, np.float32(0.9), red)


def _car_cabin(
    albedo: Floats,
    across: Floats,
    up: Floats,
    half: Floats,
    side: NDArray[np.int64],
    pattern: Floats,
    local: Floats,
) -> _Painted:
    """Glass between pillars, under a painted roof."""
    reach = np.where(side == 0, half[1], half[0])
    pillar = (np.abs(across) > reach - 0.1) | ((side == 1) & (np.abs(across) < 0.05))
    glass = (side != 2) & ~pillar & (up > 0.04) & (up < 2.0 * half[2] - 0.08)
    return np.where(glass, np.array(GLASS, np.float32)[:, None], albedo), glass


def _fence(
    albedo: Floats,
    across: Floats,
    up: Floats,
    half: Floats,
    side: NDArray[np.int64],
    pattern: Floats,
    local: Floats,
) -> _Painted:
    """Upright boards with dark joints."""
    joint = across % 0.25 < 0.06
    return albedo * np.where(joint, np.float32(0.35), np.float32(1)), np.zeros(len(up), bool)


PAINTERS = {
    Material.FACADE: _facade,
    Material.CAR_BODY: _car_body,
    Material.CAR_CABIN: _car_cabin,
    Material.FENCE: _fence,
}


def noise(u: Floats, v: Floats) -> Floats:
    """(n,) values 0..1, constant on unit cells and periodic."""
    i, j = np.floor(u).astype(np.int32) % NOISE_SIZE, np.floor(v).astype(np.int32) % NOISE_SIZE
    return _noise_table()[i * NOISE_SIZE + j]


@lru_cache(maxsize=1)
def _noise_table() -> Floats:
    """Random numbers 0..1, the same always, half of their variance in groups of four cells."""
    rng = np.random.default_rng(0)
    fine, coarse = rng.random((NOISE_SIZE, NOISE_SIZE)), rng.random((NOISE_SIZE // 4, NOISE_SIZE // 4))
    return (0.5 * fine + 0.5 * np.kron(coarse, np.ones((4, 4)))).astype(np.float32).ravel()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a ray sees where it hits: colour, normal, how the surface answers infrared. One pass over all hits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Array
from i2p_ros.sources.synthetic.casting import Hits, Rays
from i2p_ros.sources.synthetic.painting import NOISE_SIZE, PAINTERS, Places, noise, repeated
from i2p_ros.sources.synthetic.solids import ROUND, Floats, Material, Solids
from i2p_ros.sources.synthetic.street import BLOCK, Block, World

ROAD, MARKING, KERB, SIDEWALK, GRASS, PAVING = range(6)
PALETTE = np.array(
    [[0.27, 0.27, 0.28], [0.85, 0.85, 0.82], [0.6, 0.59, 0.57], [0.45, 0.43, 0.41], [0.2, 0.33, 0.12], [0.4, 0.36, 0.3]]
)
GROUND_GAIN = np.array([0.8, 1.1, 0.9, 0.9, 1.5, 0.9], np.float32)  # infrared against visible
SOLID_GAIN = np.array([0.95, 0.8, 0.9, 0.9, 1.1, 1.5, 1.0, 1.8, 0.95, 1.5, 0.9], np.float32)  # by Material
ROUGHNESS = np.array([0.6, 0.6, 0.3, 0.3, 0.9, 1.1, 0.4, 0.3, 0.6, 1.1, 0.6], np.float32)  # by Material
GROUND_KIND, SKY_KIND = 0, 127  # the kind of a solid is its material + 1


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The world around one place."""

    world: World
    solids: Solids
    first_block: int
    blocks: list[Block]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """n hits sorted by what was hit.

    `index` (n,) in the flattened grid of rays, `directions` (3, n), `distance` (n,) m, `solid` (n,), `ends` (12,):
    where the hits on the ground and on each material end.
    """

    index: NDArray[np.int64]
    directions: Floats
    distance: Floats
    solid: NDArray[np.int32]
    ends: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """n surface points: `albedo` (3, n), `normal` (3, n), `gain` (n,) of infrared, `glass` (n,)."""

    albedo: Floats
    normal: Floats
    gain: Floats
    glass: NDArray[np.bool_]


def seen(scene: Scene, rays: Rays, hits: Hits, nearest: float = 0.0, farthest: float = np.inf) -> Seen:
    """The hits between two distances, without the sky."""
    distance, solid = hits.distance.ravel(), hits.solid.ravel()
    kinds = np.append(scene.solids.material + 1, [SKY_KIND, GROUND_KIND]).astype(np.int8)
    kind = kinds[solid]  # SKY and GROUND are negative and count from the end
    kind[(distance < nearest) | (distance > farthest)] = SKY_KIND
    order = np.argsort(kind, kind="stable")
    ends = np.cumsum(np.bincount(kind, minlength=SKY_KIND + 1)[: len(Material) + 1])
    index = order[: ends[-1]]
    return Seen(index, rays.directions.reshape(3, -1).take(index, axis=1), distance[index], solid[index], ends)


def surface(scene: Scene, origin: Array, hits: Seen) -> Surface:
    """The surface at each hit of rays from the origin."""
    points = hits.directions * hits.distance
    fade = 1.0 / (1.0 + hits.distance / np.float32(15.0))
    ground = slice(0, int(hits.ends[0]))
    solids = slice(ground.stop, len(hits.index))
    first = _ground(scene, origin, points[:, ground], fade[ground])
    second = _solid(scene, origin, points[:, solids], fade[solids], hits.solid[solids], hits.ends - ground.stop)
    return Surface(
        np.concatenate([first.albedo, second.albedo], axis=1),
        np.concatenate([first.normal, second.normal], axis=1),
        np.concatenate([first.gain, second.gain]),
        np.concatenate([first.glass, second.glass]),
    )


def _ground(scene: Scene, origin: Array, points: Floats, fade: Floats) -> Surface:
    x, y = points[0] + np.float32(origin[0]), points[1] + np.float32(origin[1])
    kind = _ground_kind(scene, x, scene.world.street.offset(x, y))
    texture = 0.3 * noise(x * 0.9, y * 0.9) + 0.7 * fade * (noise(x * 9.0, y * 9.0) - 0.5)
    joint = (kind == SIDEWALK) & ((repeated(x, 1.2) < 0.07) | (repeated(y, 0.8) < 0.07))
    texture += np.where(joint, np.float32(0.5), np.float32(0.85))
    albedo = (PALETTE * scene.world.ground).astype(np.float32).T.take(kind, axis=1) * texture
    normal = np.zeros_like(points)
    normal[2] = 1.0
    return Surface(albedo, normal, GROUND_GAIN[kind], np.zeros(len(x), bool))


def _ground_kind(scene: Scene, x: Floats, offset: Floats) -> NDArray[np.int8]:
    """(n,) the palette entry at each x and distance to the left of the centre line."""
    street, blocks = scene.world.street, scene.blocks
    number = np.clip(np.floor(x * np.float32(1.0 / BLOCK)).astype(np.int32) - scene.first_block, 0, len(blocks) - 1)
    sided, away = 2 * number + (offset > 0), np.abs(offset)
    verges = np.where([grass for b in blocks for grass in (b.grass_right, b.grass_left)], GRASS, PAVING)
    kind = verges.astype(np.int8).take(sided)
    kind[away < street.sidewalk] = SIDEWALK
    kind[away < street.kerb + 0.15] = KERB
    road = away < street.kerb
    # a side street lies at the end of its block; `along` is measured from its middle
    half = np.array([b.side_half_width for b in blocks], np.float32).take(number)
    opens = np.array([is_open for b in blocks for is_open in (b.side_right, b.side_left)]).take(sided)
    along = np.abs(x - (number + np.int32(scene.first_block + 1)).astype(np.float32) * np.float32(BLOCK) + half)
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
    dashed = (away < 0.1) & (repeated(x, 7.0) < 4.0) & ~junction
    edge = (np.abs(away - road_width) < 0.08) & (along > half)
    zebra = junction & road & (along > half + 0.8) & (along < half + 3.6) & (repeated(away, 1.0) < 0.5)
    middle = side & (along < 0.1) & (repeated(away, 6.0) < 3.0)
    return np.asarray(dashed | edge | zebra | middle)


def _solid(
    scene: Scene, origin: Array, points: Floats, fade: Floats, solid: NDArray[np.int32], ends: NDArray[np.int64]
) -> Surface:
    """The surface at points (3, n) on solids that are sorted by material."""
    solids = scene.solids
    cos, sin = (a.take(solid) for a in solids.cos_sin)
    at, unit = _places(solids, origin, points, solid, cos, sin)
    albedo, glass = solids.colour.take(solid, axis=1), np.zeros(len(solid), bool)
    normal = np.stack([np.where(at.side == k, np.copysign(np.float32(1), unit[k]), np.float32(0)) for k in range(3)])
    for material in Material:
        part = slice(int(ends[material]), int(ends[material + 1]))
        if material in PAINTERS and part.stop > part.start:
            albedo[:, part], glass[part] = PAINTERS[material](albedo[:, part], _sliced(at, part))
        if material in ROUND:
            ball = unit[:, part] / at.half[:, part]
            normal[:, part] = ball / np.sqrt((ball * ball).sum(axis=0))
    material_of = solids.material.take(solid)
    shift = at.pattern[0] * NOISE_SIZE
    fine = noise(at.across * 11.0 + shift, at.up * 11.0 + at.side * np.float32(37))
    broad = noise(at.across * 1.1 + shift, at.up * 1.1 + 91.0)
    albedo *= 0.825 + ROUGHNESS.take(material_of) * fade * (fine - 0.5) + 0.35 * broad
    along_world = np.stack([cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1], normal[2]])
    return Surface(albedo, along_world, SOLID_GAIN.take(material_of), glass)


def _places(
    solids: Solids, origin: Array, points: Floats, solid: NDArray[np.int32], cos: Floats, sin: Floats
) -> tuple[Places, Floats]:
    """Where points (3, n) from the origin lie on their solids, and the same in half sizes."""
    centre = np.ascontiguousarray((solids.centre - origin).T.astype(np.float32)).take(solid, axis=1)
    x, y, z = points - centre
    local = np.stack([cos * x + sin * y, cos * y - sin * x, z])
    half = np.ascontiguousarray(solids.half.T).take(solid, axis=1)
    unit = np.asarray(local / half, np.float32)
    a, b, c = np.abs(unit)
    side = np.where(a > b, np.int8(0), np.int8(1))
    side[c > np.maximum(a, b)] = 2
    across, up = np.where(side == 0, local[1], local[0]), np.where(side == 2, local[1], local[2] + half[2])
    return Places(local, half, side, across, up, solids.pattern.take(solid, axis=1)), unit


def _sliced(at: Places, part: slice) -> Places:
    return Places(at.local[:, part], at.half[:, part], at.side[part], at.across[part], at.up[part], at.pattern[:, part])

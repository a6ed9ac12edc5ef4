# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hits of rays on solids and ground, and the surface there: albedo, normal, infrared reflectance, glass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import choose, hashed, noise, picked, put, uniform
from i2p_ros.synthetic.ray_casting import LEAF_CELL, NO_SOLID, Rays, cast_solids
from i2p_ros.synthetic.ray_casting import Rectangles as _Rectangles
from i2p_ros.synthetic.room_textures import ROOM_PAINTERS
from i2p_ros.synthetic.side_streets import SideStreets
from i2p_ros.synthetic.solids import Material, Shape, Solids
from i2p_ros.synthetic.terrain import (
    KERB,
    LAWN,
    MARKING,
    PAVING,
    ROAD,
    SIDEWALK,
    Ground,
    cast_ground,
    is_lawn,
)  # fmt: skip
from i2p_ros.synthetic.textures import PAINTERS, TexturePoints, repeated
from i2p_ros.synthetic.worlds import World

_PALETTE = (  # albedo of the six kinds of ground
    (0.10, 0.10, 0.105), (0.6, 0.6, 0.57), (0.33, 0.32, 0.31),
    (0.24, 0.23, 0.22), (0.12, 0.17, 0.06), (0.2, 0.18, 0.15),
)  # fmt: skip
_GROUND_GAIN = (1.9, 1.0, 0.9, 1.1, 2.0, 1.2)  # infrared reflectance to the albedo
_GROUND_ROUGHNESS = (0.6, 0.4, 0.6, 0.7, 1.4, 1.0)
_OF_ROOMS = len(Material) - Material.FLOORBOARDS  # the last materials
_GAIN = (0.7, 0.7, 0.9, 0.7, 0.7, 0.7, 0.7, 1.2, 1.8, 0.8, 2.5, 0.9, 1.0, 0.9, *(1.0,) * _OF_ROOMS)  # by Material
_ROUGHNESS = (
    0.35,
    0.25,
    0.6,
    0.4,
    0.1,
    0.1,
    0.2,
    1.2,
    1.3,
    0.4,
    0.1,
    0.8,
    0.8,
    0.3,
    *(0.15,) * _OF_ROOMS,
)  # of textures


@dataclass(frozen=True, slots=True, eq=False)
class StreetScene:
    """P worlds around P places: their parameters, side streets and solids."""

    world: World
    side_streets: SideStreets
    solids: Solids


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """First hits of R rays of P places.

    `distance` (P, R) is in m, and infinite for the sky. `solid` (P, R) is the index of the solid, or NO_SOLID. `ground`
    has the hits on the ground, also of rays that hit a solid first.
    """

    distance: Tensor
    solid: Tensor
    ground: Ground


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Surface at the hits of R rays of P places.

    `albedo` (3, P, R), unit `normal` (3, P, R) in the world, `gain` (P, R): infrared reflectance to the albedo, `glass`
    (P, R): share of specular reflection.
    """

    albedo: Tensor
    normal: Tensor
    gain: Tensor
    glass: Tensor


def first_hits(scene: StreetScene, rays: Rays, rectangles: _Rectangles) -> Hits:
    """First hit of each ray, on a solid or on the ground."""
    distance, solid = cast_solids(rays, scene.solids, rectangles)
    ground = cast_ground(scene.world, scene.side_streets, rays.origin, rays.directions)
    nearer = distance < ground.distance
    return Hits(torch.minimum(distance, ground.distance), torch.where(nearer, solid, NO_SOLID), ground)


def surface_at(scene: StreetScene, rays: Rays, hits: Hits) -> Surface:
    """Surface at each hit. Its values are arbitrary where a ray hits nothing."""
    fade = 1.0 / (1.0 + hits.distance * (1.0 / 30.0))
    below = hits.ground.along.shape[1]
    ground = _ground(scene, hits.ground, fade[:, -below:])
    albedo, gain = (torch.nn.functional.pad(a, (fade.shape[1] - below, 0)) for a in ground)
    normal = torch.zeros_like(rays.directions)
    normal[2] = 1.0
    glass = torch.zeros_like(gain)
    place, index = (hits.solid != NO_SOLID).nonzero(as_tuple=True)
    flat = place * gain.shape[1] + index
    solid, distance, faded = (picked(a.view(-1), flat) for a in (hits.solid, hits.distance, fade))
    points = picked(rays.directions.view(3, -1), flat) * distance + picked(rays.origin[:, :, 0], place)
    found = solid_surface(scene.solids, solid, points, faded)
    for whole, part in zip((albedo, normal, gain, glass), found, strict=True):
        put(whole.view(*whole.shape[:-2], -1), flat, part)
    return Surface(albedo, normal, gain, glass)


def _ground(scene: StreetScene, ground: Ground, fade: Tensor) -> tuple[Tensor, Tensor]:
    """Albedo (3, P, R) and gain (P, R) of the ground."""
    world, offset = scene.world, ground.offset
    along = ground.along + world.origin
    fine, broad = noise(world.key, along * 16.0, offset * 16.0), noise(world.key, along * 0.5, offset)
    colour, gain, rough = _kinds_of_ground(scene, ground, broad)
    texture = 0.85 + rough * (0.3 * (broad - 0.5) + fade * (fine - 0.5))
    cobbles = noise(world.key ^ 5, world.origin * 0.0) < world.cobbles
    road = torch.abs(offset) < world.kerb
    size = torch.where(road, 0.25, 0.8)
    slabs = (torch.abs(offset) < world.sidewalk) & (~road | cobbles)
    joint = slabs & ((repeated(along, size) < 0.12 * size) | (repeated(offset, size) < 0.12 * size))
    crack = road & (noise(world.key ^ 7, along * 0.125, offset * 0.7) > 0.93)  # patches of newer asphalt
    texture = (texture - 0.4 * fade * joint).clamp_(min=0.1) * (1.0 - 0.3 * crack.to(torch.float32))
    return colour * texture, gain


def _kinds_of_ground(scene: StreetScene, ground: Ground, broad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Albedo (3, P, R), gain (P, R) and roughness (P, R) of the ground. Later layers cover earlier ones."""
    world, along, offset = scene.world, ground.along, ground.offset
    beside, left, right = ground.side_streets
    half = choose(offset > 0, left, right)
    away = torch.abs(offset)
    layers = (
        (LAWN, is_lawn(world, along, offset)),
        (SIDEWALK, away < world.sidewalk),
        (KERB, away < world.kerb + 0.15),
        (ROAD, (away < world.kerb) | (beside < half)),
        (MARKING, _markings(world, along + world.origin, away, beside, half, torch.maximum(left, right))),
    )
    tints = torch.stack([*world.tints]).view(6, 3, -1, 1)
    values = torch.tensor([(*c, g, r) for c, g, r in zip(_PALETTE, _GROUND_GAIN, _GROUND_ROUGHNESS, strict=True)])
    table = values.to(away.device)[:, :, None, None].repeat(1, 1, away.shape[0], 1)
    table[:, :3] *= tints
    result = [row.expand_as(away) for row in table[PAVING]]
    for kind, where in layers:
        share = where.to(torch.float32)
        result = [torch.lerp(value, row, share) for value, row in zip(result, table[kind], strict=True)]
    return torch.stack(result[:3]), result[3], result[4]


def _markings(world: World, along: Tensor, away: Tensor, beside: Tensor, half: Tensor, junction: Tensor) -> Tensor:
    """Mask (P, R) of road markings: dashed centre and lane lines, edge lines, zebra crossings at side streets."""
    near = (junction > 0) & (beside < junction + 4.0)
    dashed = (away < 0.08) & (repeated(along, 9.0) < 4.5) & ~near & (world.markings > 0.3)
    lanes = ((away - 0.5 * world.road).abs() < 0.07) & (repeated(along, 12.0) < 4.0) & (world.road > 5.5) & ~near
    edge = ((away - world.road + 0.2).abs() < 0.07) & (beside > half) & (world.markings > 0.6)
    zebra = near & (beside > junction + 0.8) & (beside < junction + 3.6) & (away < world.road)
    zebra = zebra & (repeated(away, 1.0) < 0.5) & (world.markings > 0.5)
    return dashed | lanes | edge | zebra


def solid_surface(
    solids: Solids, solid: Tensor, points: Tensor, fade: Tensor, grain: float = 12.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Albedo (3, n), normal (3, n), gain (n,) and glass (n,) at points (3, n) on solids (n,).

    `fade` (n,) is the strength of the fine texture, which has `grain` cells a metre.
    """
    cos, sin, shape, material, tint = (
        picked(a, solid) for a in (solids.cos, solids.sin, solids.shape, solids.material, solids.tint)
    )
    x, y, z = points - picked(solids.centre, solid)
    local = torch.stack([cos * x + sin * y, cos * y - sin * x, z])
    half, taper = picked(solids.half, solid), picked(solids.taper, solid)
    unit = local / half
    side = _side(unit, taper, shape == Shape.CYLINDER)
    normal = _normal(unit, half, taper, side, shape)
    across = torch.where(side == 0, local[1], local[0])
    up = torch.where(side == 2, local[1], local[2] + half[2])
    at = TexturePoints(local, half, side, across, up, tint, (tint * 65536.0).to(torch.int32))
    albedo, glass = picked(solids.colour, solid), torch.zeros_like(up)
    for kind, painter in (PAINTERS | ROOM_PAINTERS).items():
        part = (material == kind).nonzero()[:, 0]
        if len(part):
            there = TexturePoints(*(picked(getattr(at, name), part) for name in TexturePoints.__slots__))
            painted, mirrors = painter(picked(albedo, part), there)
            put(albedo, part, painted)
            put(glass, part, mirrors)
    cell = tuple(torch.floor(a * grain).to(torch.int32) for a in local)
    fine = uniform(hashed(cell[0], cell[1], cell[2], at.seed))
    broad = noise(at.seed, across * 0.9, up * 0.9)
    rough, gain = picked(torch.tensor((_ROUGHNESS, _GAIN), device=fine.device), material)
    albedo = albedo * (1.0 + rough * ((0.3 + 0.7 * fade) * (fine - 0.5) + 0.35 * (broad - 0.5)))
    leaves = (material == Material.LEAVES).nonzero()[:, 0]
    if len(leaves):
        put(normal, leaves, _ruffled(*(picked(a, leaves) for a in (normal, local, at.seed))))
    normal = torch.stack([cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1], normal[2]])
    return albedo, normal, gain * (0.6 + 0.8 * at.pattern(11)), glass


def _side(unit: Tensor, taper: Tensor, cylinder: Tensor) -> Tensor:
    """Axis (n,) of the normal of a box's face. It is 0 on the side of a cylinder and 2 on its ends."""
    left = 1.0 - taper * (0.5 + 0.5 * unit[2])
    a, b = (unit[:2].abs() / left.clamp_(min=1e-3)).unbind(0)
    c = unit[2].abs()
    a = torch.where(cylinder, torch.hypot(unit[0], unit[1]), a)
    side = torch.where(a > b, 0, 1)
    side = torch.where(cylinder, 0, side)
    return torch.where(c > torch.maximum(a, torch.where(cylinder, a, b)), 2, side)


def _normal(unit: Tensor, half: Tensor, taper: Tensor, side: Tensor, shape: Tensor) -> Tensor:
    """Unit normals (3, n) in the axes of the solids."""
    round_ = unit / half
    round_[2] = torch.where(shape == Shape.CYLINDER, 0.0, round_[2])
    lean = torch.where(side == 0, 0.5 * taper[0], 0.5 * taper[1]) / half[2]
    faces = [torch.where(side == k, torch.sign(unit[k]) / half[k], 0.0) for k in range(3)]
    faces[2] = torch.where(side == 2, faces[2], lean)
    is_round = (shape == Shape.ELLIPSOID) | ((shape == Shape.CYLINDER) & (side != 2))
    normal = torch.where(is_round, round_, torch.stack(faces))
    return normalised(normal)


def normalised(v: Tensor) -> Tensor:
    """Unit vectors of v (3, ...)."""
    return v * torch.rsqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + 1e-12)


def _ruffled(normal: Tensor, local: Tensor, seed: Tensor) -> Tensor:
    """Normals (3, n) of leaves: each cell of leaves has a random deviation."""
    i, j, k = (torch.floor(a * (1.0 / LEAF_CELL)).to(torch.int32) for a in local)
    bits = hashed(i, j, k, seed)
    turned = torch.stack([uniform(hashed(bits, axis)) - 0.5 for axis in range(3)])
    normal = normal + 2.4 * turned
    return normalised(normal)

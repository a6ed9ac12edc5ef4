# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light: the sun and its shadows, the sky, lamps, haze."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from i2p_ros.synthetic.casting import Rays, cast
from i2p_ros.synthetic.dice import noise
from i2p_ros.synthetic.surfaces import BuiltWorlds, Hits, Surface
from i2p_ros.synthetic.terrain import to_street
from i2p_ros.synthetic.windows import parallel_windows

SHADOW_SIZE, SHADOW_CELL = 160, 0.3  # px, m; the map of shadows
SHADOW_AHEAD = 18.0  # m from the camera to the middle of the map
_HEIGHT, _BIAS = 100.0, 0.35  # m over the ground from where the sun looks; m that a shadow starts behind its caster
_LAMP_EVERY, _LAMP_HEIGHT = 28.0, 6.0  # m
_SUN, _SKY, _LAMP = (1.08, 1.0, 0.88), (0.9, 0.98, 1.12), (1.15, 0.95, 0.7)
_HAZE, _ZENITH = (0.92, 0.97, 1.0), (0.35, 0.55, 0.95)


def light(built: BuiltWorlds, rays: Rays, forward: Tensor, hits: Hits, found: Surface) -> Tensor:
    """(3, P, R) what cameras that look `forward` (3, P, 1) receive along unit directions; white in the sun is 1."""
    world = built.world
    sun, sky, lamps = world.light
    distance = hits.distance.clamp(max=1e4)
    points = rays.directions * distance + rays.origin
    towards = torch.stack([*world.sun])
    facing = (found.normal * towards).sum(0).clamp_(min=0.0) * sun
    if bool((sun > 0.1).any()):
        facing = facing * torch.where(sun > 0.1, _sunlit(built, rays.origin, forward, points), 1.0)
    ambient = sky * (0.45 + 0.3 * found.normal[2])
    artificial = lamps * _lamps(built, rays, forward, hits, found) if bool((lamps > 0).any()) else torch.zeros_like(sky)
    sources = ((facing, _SUN), (ambient, _SKY), (artificial, _LAMP))
    total = sum(strength * _colour(tint, strength) for strength, tint in sources)
    level = (0.35 * sun + 0.8 * sky) * _colour(_HAZE, sky)
    mirrored = 0.35 * found.glass * (1.0 - (found.normal * rays.directions).sum(0).abs()) + 0.04 * found.glass
    clear = torch.exp(-distance / world.haze)
    lit = (found.albedo * total + 0.9 * mirrored * level) * clear + level * (1.0 - clear)
    free = torch.isinf(hits.distance)
    seeing = int(free.any(0).nonzero().max()) + 1 if bool(free.any()) else 0  # the rays after these see no sky
    lit[:, :, :seeing] = torch.where(
        free[:, :seeing], _sky(built, rays.directions[:, :, :seeing], towards), lit[:, :, :seeing]
    )
    return lit


def _colour(rgb: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(rgb, device=like.device)[:, None, None]


def _sky(built: BuiltWorlds, directions: Tensor, towards: Tensor) -> Tensor:
    """(3, P, R) a gradient from the horizon up, clouds, a glow around the sun, hills or roofs on the horizon."""
    world = built.world
    sun, sky, _ = world.light
    up = directions[2].clamp(0.0, 1.0)
    glow = (directions * towards).sum(0).clamp_(min=0.0).square().square().square().square()
    x, y = (directions[k] / (up + 0.15) for k in (0, 1))
    wave = torch.sin(2.1 * x + 1.3 * y + world.line[4]) + torch.sin(5.3 * y - 2.2 * x + world.line[5])
    cloud = (0.5 + 0.25 * wave).clamp_(0.0, 1.0) * (sky < 0.9) + 1.0 * (sky >= 0.9)
    clear = torch.sqrt(up) * (1.0 - 0.8 * cloud) * (sun > 0.3)
    colour = _colour(_HAZE, up) + (_colour(_ZENITH, up) - _colour(_HAZE, up)) * clear
    hills = 0.03 + 0.02 * torch.sin(3.0 * directions[0] + world.line[4]) + 0.015 * torch.sin(13.0 * directions[1])
    hills = hills + 0.015 * noise(world.key, directions[0] * 60.0, directions[1] * 60.0)
    below = directions[2] < hills
    level = (1.0 * sun + 1.9 * sky) * torch.where(below, 0.35 + 0.2 * (world.haze < 200.0), 1.0)
    return colour * (level + 0.8 * sun * glow * (sky < 0.9))


def _lamps(built: BuiltWorlds, rays: Rays, forward: Tensor, hits: Hits, found: Surface) -> Tensor:
    """(P, R) light of the vehicle's own headlights and of lamps along the street."""
    distance = hits.distance.clamp(max=1e3)
    facing = -(found.normal * rays.directions).sum(0)
    ahead = (rays.directions * forward).sum(0).clamp(min=0.0).square().square().square()
    own = 6.0 * facing.abs() * ahead / (1.0 + (distance / 6.0) ** 2)
    points = rays.directions * distance + rays.origin
    along, offset = to_street(built.world, points[0], points[1])
    turns = (along + built.world.origin) / _LAMP_EVERY
    away = (turns - torch.floor(turns) - 0.5) * _LAMP_EVERY
    away = away * away + (offset.abs() - built.world.kerb) ** 2
    return own + 0.9 / (1.0 + away / _LAMP_HEIGHT**2)


def _sunlit(built: BuiltWorlds, eye: Tensor, forward: Tensor, points: Tensor) -> Tensor:
    """(P, R) 1 where the sun reaches points (3, P, R), 0 in shadows: a map of distances as seen from the sun.

    The map lies flat ahead of the camera. A point belongs to the cell that the sun's ray through it meets at the height
    of the camera's feet, so that the map has the same cells wherever shadows fall.
    """
    (sx, sy, sz) = built.world.sun
    middle = eye + SHADOW_AHEAD * forward
    base = eye[2] - 1.7

    def project(p: Tensor, centre: Tensor, base: Tensor, slope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        rise = p[2] - base
        u, v = ((p[k] - rise * slope[k] - centre[k]) / SHADOW_CELL + 0.5 * SHADOW_SIZE for k in (0, 1))
        return u, v

    slope = (sx / sz, sy / sz)
    cells = torch.arange(SHADOW_SIZE, device=eye.device) - 0.5 * SHADOW_SIZE
    v, u = (SHADOW_CELL * a.flatten() for a in torch.meshgrid(cells, cells, indexing="ij"))
    height = torch.full_like(u, _HEIGHT)[None].expand(len(sx), -1)
    start = torch.stack([u + _HEIGHT * slope[0], v + _HEIGHT * slope[1], height])
    origin = torch.stack([middle[0], middle[1], base])
    columns = torch.full((len(sx),), SHADOW_SIZE, dtype=torch.int64, device=eye.device)
    rays = Rays(origin, start, columns, torch.stack([-sx, -sy, -sz]))
    solids = built.solids

    def of_solids(p: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        return project(p, origin[:, place, 0], base[place, 0], (slope[0][place, 0], slope[1][place, 0]))

    depth, _ = cast(rays, solids, parallel_windows(solids, of_solids, SHADOW_SIZE))
    u, v = project(points, origin, base, slope)
    column, row = ((a + 0.5).floor().clamp_(-1.0, SHADOW_SIZE) for a in (u, v))
    inside = ((column - 0.5 * SHADOW_SIZE).abs() < 0.5 * SHADOW_SIZE) & (
        (row - 0.5 * SHADOW_SIZE).abs() < 0.5 * SHADOW_SIZE
    )
    cell = (row * SHADOW_SIZE + column).clamp_(0.0, SHADOW_SIZE * SHADOW_SIZE - 1.0).long()
    reached = (_HEIGHT - (points[2] - base)) / sz
    shadow = inside & (torch.gather(depth, 1, cell) < reached - _BIAS)
    return 1.0 - shadow.to(torch.float32)


def headings(rotation: Tensor) -> Tensor:
    """(3, P, 1) horizontal unit vectors along the optical axes of cameras with rotations (P, 3, 3) world to camera."""
    forward = rotation[:, 2].clone()
    forward[:, 2] = 0.0
    return (forward / torch.linalg.vector_norm(forward, dim=1, keepdim=True).clamp(min=math.ulp(1.0))).T[:, :, None]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground: a street with bends and slopes, camber, kerbs, side streets and grass.

Street coordinates are metres along the street and metres to the left of its centre line. All tensors are (P, n) for P
worlds, in the frames of these worlds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import choose, noise
from i2p_ros.synthetic.side_streets import SideStreets
from i2p_ros.synthetic.worlds import World

SECANT_STEPS = 3  # one more halves the number of rays that miss the ground, at a tenth more time
STEEPEST = 0.1  # upper bound of the slope of the ground
FAR = 200.0  # m; largest distance of the ground
BANK_WIDTH = 6.0  # m beyond the sidewalk over which the ground rises or falls
GRASS_RELIEF = 0.16  # m
_GRASS = 2  # changes the seed of the noise
ROAD, MARKING, KERB, SIDEWALK, LAWN, PAVING = range(6)


def near_side_street(world: World, side_streets: SideStreets, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distance (P, n) along the street to the block's side street, and its half widths (P, n) left and right, m."""
    block = torch.floor((along + world.origin) / world.block).to(torch.int64) - side_streets.first
    block = block.clamp_(0, side_streets.middle.shape[1] - 1)
    middle, left, right = (
        torch.gather(a, 1, block) for a in (side_streets.middle, side_streets.left, side_streets.right)
    )
    return torch.abs(along - middle), left, right


def centre_line(world: World, along: Tensor) -> tuple[Tensor, Tensor]:
    """y (P, n) of the centre line and its slope dy/dx, at x = along."""
    a, b, k, q, p, r = world.line
    u, v = k * along + p, q * along + r
    y = a * (torch.sin(u) - torch.sin(p)) + b * (torch.sin(v) - torch.sin(r))
    return y, a * k * torch.cos(u) + b * q * torch.cos(v)


def to_world(world: World, along: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y (P, n) of street coordinates, and the cosine and sine (P, n) of the heading of the street there."""
    y, slope = centre_line(world, along)
    cos = torch.rsqrt(1.0 + slope * slope)
    return along - offset * slope * cos, y + offset * cos, cos, slope * cos


def to_street(world: World, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Street coordinates `along` and `offset` (P, n) of x, y. They are exact where the street is straight."""
    middle, slope = centre_line(world, x)
    cos = torch.rsqrt(1.0 + slope * slope)
    offset = (y - middle) * cos
    return x + offset * slope * cos, offset


def base_height(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """z (P, n) of the ground without kerbs: the height of the street, its camber, and the bank beside it."""
    a, b, k, q, p, r = world.rise
    climb = a * (torch.sin(k * along + p) - torch.sin(p)) + b * (torch.sin(q * along + r) - torch.sin(r))
    away = torch.abs(offset)
    bank = world.bank * (away - world.sidewalk).clamp_(0.0, BANK_WIDTH)
    return climb - world.camber * torch.minimum(away, world.road) + bank


def ground_height(world: World, x: Tensor, y: Tensor) -> Tensor:
    """z (P, n) of the ground with kerbs, at x, y."""
    along, offset = to_street(world, x, y)
    return base_height(world, along, offset) + world.kerb_height * (torch.abs(offset) > world.kerb)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Hits of rays on the ground.

    `distance` (P, R) is in m, and infinite where there is no hit. The other fields are for the last n rays. The first
    R - n rays point upwards. `along` and `offset` (P, n) are street coordinates, `side_streets` the result of
    `near_side_street` there.
    """

    distance: Tensor
    along: Tensor
    offset: Tensor
    side_streets: tuple[Tensor, Tensor, Tensor]


def cast_ground(world: World, side_streets: SideStreets, origin: Tensor, directions: Tensor) -> Ground:
    """Hits of rays with directions (3, P, R) from origins (3, P, 1): secant steps on the smooth ground, then kerbs."""
    looks_down = (directions[2] < STEEPEST).any(0)
    skipped = int(looks_down.to(torch.int8).argmax()) if bool(looks_down.any()) else len(looks_down) - 1
    (x, y, z), (dx, dy, dz) = origin, directions[:, :, skipped:]

    def at(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        along, offset = to_street(world, x + t * dx, y + t * dy)
        return z + t * dz - base_height(world, along, offset), along, offset

    start = at(torch.zeros_like(x))[0].clamp(min=0.3)
    t, over = (start / (-dz).clamp(min=2e-3)).clamp_(max=FAR), start
    before = torch.zeros_like(t)
    for _ in range(SECANT_STEPS):
        now, along, offset = at(t)
        slope = ((now - over) / (t - before + 1e-3)).clamp_(-1.0, -2e-3)  # of the ray against the ground
        step = (-now / slope).clamp_(-0.5 * FAR, 0.5 * FAR)
        before, over = t, now
        t = (t + step).clamp_(0.0, 1.5 * FAR)
    step = t - before
    met = (t > 0) & (t < FAR) & (step.abs() < 2.0 + 0.2 * t)
    across = _street_velocity(world, x + before * dx, dx, dy)
    t, along, offset, near = _with_kerbs_and_grass(
        world, side_streets, start, across, t, along + step * across[0], offset + step * across[1]
    )
    distance = torch.nn.functional.pad(torch.where(met, t, torch.inf), (skipped, 0), value=torch.inf)
    return Ground(distance, along, offset, near)


def _street_velocity(world: World, x: Tensor, dx: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives (P, n) of along and offset by the distance on rays with directions dx, dy, at x."""
    slope = centre_line(world, x)[1]
    cos = torch.rsqrt(1.0 + slope * slope)
    return (dx + slope * dy) * cos, (dy - slope * dx) * cos


def _with_kerbs_and_grass(
    world: World,
    side_streets: SideStreets,
    start: Tensor,
    across: tuple[Tensor, Tensor],
    t: Tensor,
    along: Tensor,
    offset: Tensor,
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Distance, along, offset and `near_side_street` of the hits, with kerbs, sidewalks and grass above the ground.

    The height above the ground changes almost linearly along a ray. A surface that is h higher is therefore hit at the
    share 1 - h / (height of the origin) of the distance.
    """
    near = near_side_street(world, side_streets, along)
    open_ground = near[0] < choose(offset > 0, near[1], near[2])
    earlier = t * (world.kerb_height / start)
    offset_above = offset - earlier * across[1]
    away, away_above = torch.abs(offset), torch.abs(offset_above)
    on_top = (away_above > world.kerb) & ~open_ground
    riser = (away > world.kerb) & ~open_ground & ~on_top
    share = ((away - world.kerb) / (away - away_above)).clamp_(0.0, 1.0)
    back = earlier * choose(riser, torch.nan_to_num(share), on_top.to(torch.float32))
    along, offset = along - back * across[0], offset - back * across[1]
    relief = _grass_height(world, along, offset) * (on_top & is_lawn(world, along, offset))
    return (t - back) * (1.0 - relief / start), along, offset, near


def is_lawn(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """Mask (P, n) of grass, which grows beyond the sidewalk on some stretches."""
    stretch = (along + world.origin) * (1.0 / 32.0)
    side = offset.sign()
    return (torch.abs(offset) > world.sidewalk) & (noise(world.key ^ _GRASS, stretch, side) < world.grass)


def _grass_height(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """Height (P, n) of the grass, m."""
    return GRASS_RELIEF * noise(world.key, (along + world.origin) * 8.0, offset * 8.0)

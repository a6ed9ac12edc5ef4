# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground: a street that bends and climbs, with camber, kerbs, side streets and rough verges.

Street coordinates are metres along the street and metres to the left of its centre line. All tensors are (P, n) for P
worlds, in the frames of these worlds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.synthetic.crossings import Crossings
from i2p_ros.synthetic.dice import choose, noise
from i2p_ros.synthetic.worlds import World

SECANTS = 3  # one more halves the few rays that find no ground, at a tenth more time
STEEPEST = 0.1  # the ground climbs less than this against the level
FAR = 200.0  # m; the ground ends here
BANK_WIDTH = 6.0  # m beyond the sidewalk over which the ground rises or falls
GRASS_RELIEF = 0.16  # m
_GRASS = 2  # a kind of thing, for its noise
ROAD, MARKING, KERB, SIDEWALK, LAWN, PAVING = range(6)


def near_crossing(world: World, sides: Crossings, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distance (P, n) along the street to the middle of the block's side street, its half widths left and right (m)."""
    block = torch.floor((along + world.origin) / world.block).to(torch.int64) - sides.first
    block = block.clamp_(0, sides.middle.shape[1] - 1)
    middle, left, right = (torch.gather(a, 1, block) for a in (sides.middle, sides.left, sides.right))
    return torch.abs(along - middle), left, right


def centre_line(world: World, along: Tensor) -> tuple[Tensor, Tensor]:
    """y (P, n) of the centre line and its slope dy/dx, at x = along."""
    a, b, k, q, p, r = world.line
    u, v = k * along + p, q * along + r
    y = a * (torch.sin(u) - torch.sin(p)) + b * (torch.sin(v) - torch.sin(r))
    return y, a * k * torch.cos(u) + b * q * torch.cos(v)


def to_world(world: World, along: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y of street coordinates, and cosine and sine of the heading of the street there."""
    y, slope = centre_line(world, along)
    cos = torch.rsqrt(1.0 + slope * slope)
    return along - offset * slope * cos, y + offset * cos, cos, slope * cos


def to_street(world: World, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Street coordinates of x, y: along and offset (exact where the street is straight)."""
    middle, slope = centre_line(world, x)
    cos = torch.rsqrt(1.0 + slope * slope)
    offset = (y - middle) * cos
    return x + offset * slope * cos, offset


def base_height(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """z (P, n) of the ground without kerbs: the climb of the street, its camber, the bank beside it."""
    a, b, k, q, p, r = world.rise
    climb = a * (torch.sin(k * along + p) - torch.sin(p)) + b * (torch.sin(q * along + r) - torch.sin(r))
    away = torch.abs(offset)
    bank = world.bank * (away - world.sidewalk).clamp_(0.0, BANK_WIDTH)
    return climb - world.camber * torch.minimum(away, world.road) + bank


def ground_height(world: World, x: Tensor, y: Tensor) -> Tensor:
    """z (P, n) of the ground on which things stand, at x, y."""
    along, offset = to_street(world, x, y)
    return base_height(world, along, offset) + world.kerb_height * (torch.abs(offset) > world.kerb)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where rays (P, R) meet the ground: `distance` in m, infinite for none; and for all but the first R - n rays, that
    look up, the street coordinates `along` and `offset` (P, n), and `sides` there: what near_crossing gives."""

    distance: Tensor
    along: Tensor
    offset: Tensor
    sides: tuple[Tensor, Tensor, Tensor]


def cast_ground(world: World, sides: Crossings, origin: Tensor, directions: Tensor) -> Ground:
    """The ground along rays (3, P, R) from origins (3, P, 1): secant steps on the smooth ground, then the kerb."""
    looks_down = (directions[2] < STEEPEST).any(0)
    skipped = int(looks_down.to(torch.int8).argmax()) if bool(looks_down.any()) else len(looks_down) - 1
    (x, y, z), (dx, dy, dz) = origin, directions[:, :, skipped:]

    def at(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        along, offset = to_street(world, x + t * dx, y + t * dy)
        return z + t * dz - base_height(world, along, offset), along, offset

    start = at(torch.zeros_like(x))[0].clamp(min=0.3)
    t, over = (start / (-dz).clamp(min=2e-3)).clamp_(max=FAR), start
    before = torch.zeros_like(t)
    for _ in range(SECANTS):
        now, along, offset = at(t)
        slope = ((now - over) / (t - before + 1e-3)).clamp_(-1.0, -2e-3)  # of the ray against the ground
        step = (-now / slope).clamp_(-0.5 * FAR, 0.5 * FAR)
        before, over = t, now
        t = (t + step).clamp_(0.0, 1.5 * FAR)
    step = t - before
    met = (t > 0) & (t < FAR) & (step.abs() < 2.0 + 0.2 * t)
    across = _across(world, x + before * dx, dx, dy)
    t, along, offset, near = _raised(
        world, sides, start, across, t, along + step * across[0], offset + step * across[1]
    )
    distance = torch.nn.functional.pad(torch.where(met, t, torch.inf), (skipped, 0), value=torch.inf)
    return Ground(distance, along, offset, near)


def _across(world: World, x: Tensor, dx: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    """How fast rays with directions dx, dy move along the street and across it, at x."""
    slope = centre_line(world, x)[1]
    cos = torch.rsqrt(1.0 + slope * slope)
    return (dx + slope * dy) * cos, (dy - slope * dx) * cos


def _raised(
    world: World,
    sides: Crossings,
    start: Tensor,
    across: tuple[Tensor, Tensor],
    t: Tensor,
    along: Tensor,
    offset: Tensor,
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The same hits on kerbs, what lies behind them, and grass; and the side streets there.

    The height over the ground changes almost evenly along a ray, so that it meets what is h higher at the share
    1 - h / (height of its origin) of the way.
    """
    near = near_crossing(world, sides, along)
    open_ground = near[0] < choose(offset > 0, near[1], near[2])
    earlier = t * (world.kerb_height / start)
    offset_above = offset - earlier * across[1]
    away, away_above = torch.abs(offset), torch.abs(offset_above)
    on_top = (away_above > world.kerb) & ~open_ground
    riser = (away > world.kerb) & ~open_ground & ~on_top
    share = ((away - world.kerb) / (away - away_above)).clamp_(0.0, 1.0)
    back = earlier * choose(riser, torch.nan_to_num(share), on_top.to(torch.float32))
    along, offset = along - back * across[0], offset - back * across[1]
    relief = _blades(world, along, offset) * (on_top & is_lawn(world, along, offset))
    return (t - back) * (1.0 - relief / start), along, offset, near


def is_lawn(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """(P, n) whether grass grows there: beyond the sidewalk, in stretches."""
    stretch = (along + world.origin) * (1.0 / 32.0)
    side = offset.sign()
    return (torch.abs(offset) > world.sidewalk) & (noise(world.key ^ _GRASS, stretch, side) < world.grass)


def _blades(world: World, along: Tensor, offset: Tensor) -> Tensor:
    """(P, n) height of the blades, m."""
    return GRASS_RELIEF * noise(world.key, (along + world.origin) * 8.0, offset * 8.0)

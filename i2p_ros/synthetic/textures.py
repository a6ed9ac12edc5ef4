# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Textures of solids: windows and doors of facades, wheels of cars, boards, tiles and signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import noise
from i2p_ros.synthetic.solids import Material

_GLASS, _RUBBER = (0.05, 0.06, 0.07), (0.03, 0.03, 0.03)
_WHITE_LAMP, _RED_LAMP = (0.8, 0.8, 0.8), (0.55, 0.04, 0.03)


@dataclass(frozen=True, slots=True, eq=False)
class TexturePoints:
    """n points on solids of one material.

    `local` and `half` (3, n) are the position and the half size in the axes of the solid, m. `side` (n,) is the axis of
    the normal. `across` and `up` (n,) are texture coordinates on the face, m, `up` from the bottom. `tint` (n,) is that
    of the solid, and `seed` (n,) int32 follows from it.
    """

    local: Tensor
    half: Tensor
    side: Tensor
    across: Tensor
    up: Tensor
    tint: Tensor
    seed: Tensor

    def pattern(self, k: int) -> Tensor:
        """The k-th random number (n,) of the solid, in 0..1."""
        turns = self.tint * (7.31 + 12.97 * k)
        return turns - torch.floor(turns)


Painted = tuple[Tensor, Tensor]  # albedo (3, n), share of specular reflection (n,)


def repeated(value: Tensor, period: Tensor | float) -> Tensor:
    """Value modulo period, in 0..period."""
    turns = value / period
    return (turns - torch.floor(turns)) * period


def coloured(where: Tensor, colour: tuple[float, float, float], albedo: Tensor) -> Tensor:
    """Albedo (3, n) with a colour where the mask (n,) holds."""
    return torch.lerp(albedo, torch.tensor(colour, device=albedo.device)[:, None], where.to(albedo.dtype))


def paint_facade(albedo: Tensor, at: TexturePoints) -> Painted:
    """Rows of windows with frames, some with curtains or shutters, over a plinth, doors or shops; cornice, bricks."""
    column, row = at.across / (1.3 + 2.0 * at.pattern(0)) + 97.5, (at.up - 1.5) / (2.6 + 0.9 * at.pattern(1))
    floor_column, floor_row = torch.floor(column), torch.floor(row)
    u, v = (column - floor_column - 0.5).abs(), (row - floor_row - 0.55).abs()
    top = 2.0 * at.half[2] - 0.6
    wall, below = at.side != 2, at.up < top
    wide, tall = 0.36 - 0.2 * at.pattern(2), 0.2 + 0.14 * at.pattern(3)
    light = noise(at.seed, floor_column, floor_row + 0.5)
    ground_floor = row < 1.0
    shop = ground_floor & (at.pattern(4) > 0.55)
    door = ground_floor & ~shop & (light > 0.8)
    tall, wide = torch.where(door | shop, 0.42, tall), torch.where(shop, 0.46, wide)
    there = (light > 0.12 + 0.25 * at.pattern(7)) & wall & below
    window = there & (u < wide) & (v < tall)
    frame = window & ((u > wide - 0.035) | (v > tall - 0.03) | ((u < 0.015) & (at.pattern(5) > 0.4)))
    shutter = there & ~window & (u < wide * 1.6) & (v < tall) & (at.pattern(6) > 0.7) & ~shop
    pane = window & ~frame
    glass = pane & (light < 0.72) & ~door
    brick = (at.pattern(8) > 0.6) & ((repeated(at.up, 0.25) < 0.03) | (repeated(at.across, 0.5) < 0.03))
    tone = torch.where(at.up < 1.9 + at.pattern(9), 0.75, torch.where(below, 1.0, 0.75)) * torch.where(brick, 0.7, 1.0)
    albedo = albedo * tone
    albedo = torch.where(shutter, albedo.flip(0) * 0.5, albedo)
    level = torch.where(glass, 0.03 + 0.12 * light, torch.where(frame, 0.2 + 0.6 * at.pattern(5), 0.15 + 0.4 * light))
    return torch.where(window, level, albedo), glass.float()


def paint_hall(albedo: Tensor, at: TexturePoints) -> Painted:
    """Ribbed sheets, a band of windows, gates, a coloured stripe."""
    rib = repeated(at.across, 0.3 + 0.5 * at.pattern(1)) < 0.1
    top, wall = 2.0 * at.half[2], at.side != 2
    band = wall & (at.up > top * 0.65) & (at.up < top * 0.65 + 0.9) & (at.pattern(0) > 0.4)
    gate_column = torch.floor(at.across / 8.0)
    gate = wall & (repeated(at.across, 8.0) < 3.8) & (at.up < 5.5) & (noise(at.seed, gate_column) > 0.5)
    stripe = wall & (at.up > top - 1.2) & (at.pattern(2) > 0.5)
    tone = torch.where(rib, 0.82, 1.0) * torch.where(gate & (repeated(at.up, 0.5) < 0.08), 0.6, 1.0)
    albedo = torch.where(stripe, albedo.flip(0) * 0.6, albedo * torch.where(gate, 0.65, 1.0)) * tone
    glass = band & (repeated(at.across, 1.6) > 0.12)
    return coloured(glass, _GLASS, albedo), glass.float()


def paint_roof(albedo: Tensor, at: TexturePoints) -> Painted:
    """Rows of tiles, and windows here and there."""
    row = repeated(at.up, 0.32) < 0.07
    column, light = torch.floor(at.across / 2.6), noise(at.seed, at.across / 2.6, at.up / 50.0)
    glass = (light > 0.75) & ((at.across / 2.6 - column - 0.5).abs() < 0.17) & ((at.up - 1.6).abs() < 0.5)
    return coloured(glass, _GLASS, albedo * torch.where(row, 0.65, 1.0)), glass.float()


def paint_car_body(albedo: Tensor, at: TexturePoints) -> Painted:
    """Wheels and doors on the flanks; lamps, a grille and a plate at the ends; windows in front of high vehicles."""
    forward, out = at.local[0], at.local[1].abs()
    axle, end = forward.abs() - 0.62 * at.half[0], at.side == 0
    wheel = (at.side == 1) & (axle * axle + (at.up - 0.1) ** 2 < 0.34**2)
    rim = wheel & (axle * axle + (at.up - 0.1) ** 2 < 0.2**2)
    lamp = end & (out > at.half[1] - 0.38) & (at.up > 0.32) & (at.up < 0.5)
    plate = end & (out < 0.27) & (at.up > 0.14) & (at.up < 0.27)
    grille = end & (forward > 0) & (out < 0.5) & (at.up > 0.3) & (at.up < 0.45)
    high = at.half[2] > 0.7
    glass = high & (at.up > 0.9) & (at.up < 1.55) & (at.side != 2) & (forward > at.half[0] - 1.5)
    joint = (at.side == 1) & (repeated(forward + 0.3, 1.05) < 0.02) & ~high
    albedo = torch.where(joint | grille, 0.3 * albedo, albedo)
    albedo = coloured(wheel | (at.up < 0.1), _RUBBER, albedo)
    albedo = torch.where(rim, 0.35, albedo)
    albedo = torch.where(plate, 0.85, albedo)
    albedo = coloured(lamp & (forward > 0), _WHITE_LAMP, albedo)
    albedo = coloured(lamp & (forward <= 0), _RED_LAMP, albedo)
    return coloured(glass, _GLASS, albedo), glass + 0.25 * (~wheel)


def paint_car_cabin(albedo: Tensor, at: TexturePoints) -> Painted:
    """Glass between pillars, under a painted roof."""
    lean = torch.where(at.side == 1, 0.35 * at.up, 0.12 * at.up)
    reach = torch.where(at.side == 0, at.half[1], at.half[0]) - lean
    pillar = (at.across.abs() > reach - 0.08) | ((at.side == 1) & (at.across.abs() < 0.04))
    glass = (at.side != 2) & ~pillar & (at.up > 0.03) & (at.up < 2.0 * at.half[2] - 0.06)
    return coloured(glass, _GLASS, albedo), glass + 0.25 * ~glass


def paint_truck(albedo: Tensor, at: TexturePoints) -> Painted:
    """A load with a stripe or lettering, and a dark frame below."""
    u, v = at.across / 0.35, at.up / 0.5
    band = (at.side == 1) & (at.up > at.half[2] * 0.7) & (at.up < at.half[2] * 1.3) & (at.pattern(0) > 0.4)
    ink = band & (noise(at.seed, u, v) > 0.45)
    return torch.where(ink, albedo.flip(0) * 0.4, albedo), torch.zeros_like(at.up)


def paint_sign(albedo: Tensor, at: TexturePoints) -> Painted:
    """A rim, a symbol in the middle, and a grey back."""
    u, v = at.across / at.half[1], (at.up - at.half[2]) / at.half[2]
    rim = torch.maximum(u.abs(), v.abs()) > 0.85
    symbol = (noise(at.seed, u * 2.0 + 9.0, v * 3.0 + 9.0) > 0.6) & (u.abs() < 0.6) & (v.abs() < 0.6)
    face = torch.where(rim | symbol, torch.where(at.pattern(1) > 0.5, 0.85, 0.05), albedo)
    return torch.where((at.local[0] > 0) & (at.pattern(2) > 0.5), 0.35, face), torch.zeros_like(u)


def paint_fence(albedo: Tensor, at: TexturePoints) -> Painted:
    """Boards of different tones, and rails across."""
    tone = 0.7 + 0.5 * noise(at.seed, at.across / 0.16)
    rail = (repeated(at.up, 0.7) < 0.08) & (at.pattern(0) > 0.5)
    return albedo * torch.where(rail, 0.5, tone), torch.zeros_like(at.up)


PAINTERS: dict[Material, Callable[[Tensor, TexturePoints], Painted]] = {
    Material.FACADE: paint_facade,
    Material.HALL: paint_hall,
    Material.ROOF: paint_roof,
    Material.CAR_BODY: paint_car_body,
    Material.CAR_CABIN: paint_car_cabin,
    Material.TRUCK: paint_truck,
    Material.SIGN: paint_sign,
    Material.FENCE: paint_fence,
}

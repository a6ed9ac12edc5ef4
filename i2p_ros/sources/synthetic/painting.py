# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The colours of solids: windows on facades, wheels on cars, boards of fences. And the noise that roughens all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from i2p_ros.sources.synthetic.solids import Floats, Material

NOISE_SIZE = 256
GLASS = np.array([[0.10], [0.12], [0.14]], np.float32)
WHITE_LAMP, RED_LAMP = np.array([[0.9], [0.9], [0.9]], np.float32), np.array([[0.7], [0.06], [0.05]], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """n places on boxes of one material.

    `local` (3, n) and `half` (3, n): position and half size of the box in its axes, m. `side` (n,): the axis along
    which the face looks. `across`, `up` (n,): position on the face, m, `up` from the bottom. `pattern` (4, n): of the
    box, 0..1.
    """

    local: Floats
    half: Floats
    side: NDArray[np.int8]
    across: Floats
    up: Floats
    pattern: Floats


Painted = tuple[Floats, NDArray[np.bool_]]  # albedo (3, n), whether it is glass (n,)


def paint_facade(albedo: Floats, at: Places) -> Painted:
    """Rows of windows, some with curtains, over a plinth or a shop floor, and a cornice."""
    column, row = at.across / (1.5 + 1.8 * at.pattern[0]) + 97.5, at.up / (2.7 + 0.8 * at.pattern[1])
    floor_column, floor_row = np.floor(column), np.floor(row)
    u, v = np.abs(column - floor_column - 0.5), np.abs(row - floor_row - 0.55)
    below_cornice, wall = at.up < 2.0 * at.half[2] - 0.5, at.side != 2
    width = 0.34 - 0.14 * at.pattern[2]
    window = (u < width) & (v < 0.28) & below_cornice & wall
    frame = window & ((u > width - 0.04) | (v > 0.25))
    light = noise(floor_column * 7.0 + at.pattern[3] * 200.0, floor_row * 5.0 + 0.5)
    glass = window & ~frame & (light < 0.62)
    shop = (row < 1.0) & (at.pattern[3] > 0.5) & wall
    tone = np.where(shop, np.float32(0.6), np.float32(1.0))
    tone[~below_cornice] *= 0.7
    pane = np.where(glass, 0.08 + 0.25 * light, np.where(frame, np.float32(0.8), np.float32(0.75)))
    return np.where(window, pane, albedo * tone), glass


def paint_car_body(albedo: Floats, at: Places) -> Painted:
    """Wheels on the flanks, lamps and a plate at the ends; a van has windows in its front part."""
    forward, out = at.local[0], np.abs(at.local[1])
    axle, end = np.abs(forward) - 0.62 * at.half[0], at.side == 0
    wheel = (at.side == 1) & (axle * axle + (at.up - 0.12) ** 2 < 0.32**2)
    lamp = end & (out > at.half[1] - 0.35) & (at.up > 0.35) & (at.up < 0.55)
    plate = end & (out < 0.27) & (at.up > 0.12) & (at.up < 0.27)
    van = at.half[2] > 0.7
    glass = van & (at.up > 1.0) & (at.up < 1.65) & (at.side != 2) & (forward > at.half[0] - 1.3)
    albedo = np.where(wheel | (at.up < 0.12), np.float32(0.05), albedo)
    albedo = np.where(plate, np.float32(0.9), albedo)
    albedo = np.where(lamp, np.where(forward > 0, WHITE_LAMP, RED_LAMP), albedo)
    return np.where(glass, GLASS, albedo), glass


def paint_car_cabin(albedo: Floats, at: Places) -> Painted:
    """Glass between pillars, under a painted roof."""
    reach, across = np.where(at.side == 0, at.half[1], at.half[0]), np.abs(at.across)
    pillar = (across > reach - 0.1) | ((at.side == 1) & (across < 0.05))
    glass = (at.side != 2) & ~pillar & (at.up > 0.04) & (at.up < 2.0 * at.half[2] - 0.08)
    return np.where(glass, GLASS, albedo), glass


def paint_fence(albedo: Floats, at: Places) -> Painted:
    """Upright boards with dark joints."""
    joint = repeated(at.across, 0.25) < 0.06
    return albedo * np.where(joint, np.float32(0.35), np.float32(1.0)), np.zeros(len(joint), bool)


PAINTERS = {
    Material.FACADE: paint_facade,
    Material.CAR_BODY: paint_car_body,
    Material.CAR_CABIN: paint_car_cabin,
    Material.FENCE: paint_fence,
}


def repeated(value: Floats, period: float) -> Floats:
    """value modulo period."""
    turns = value * np.float32(1.0 / period)
    return np.asarray((turns - np.floor(turns)) * np.float32(period))


def noise(u: Floats, v: Floats) -> Floats:
    """(n,) values 0..1, constant on unit cells and periodic."""
    i, j = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    i &= NOISE_SIZE - 1
    j &= NOISE_SIZE - 1
    i *= NOISE_SIZE
    i += j
    return _noise_table().take(i)


@lru_cache(maxsize=1)
def _noise_table() -> Floats:
    """Random numbers 0..1, the same always, half of their variance in groups of four cells."""
    rng = np.random.default_rng(0)
    fine, coarse = rng.random((NOISE_SIZE, NOISE_SIZE)), rng.random((NOISE_SIZE // 4, NOISE_SIZE // 4))
    return (0.5 * fine + 0.5 * np.kron(coarse, np.ones((4, 4)))).astype(np.float32).ravel()

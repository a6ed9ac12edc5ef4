# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of streets, and the parameters of one street world."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

ORIGIN_STEP = 16.0  # m; origins of frames are at multiples of this along the street
Range = tuple[float, float]
_DTYPES = {"key": np.int32, "origin": np.float64}

# Ranges of the parameters of a world, for all kinds of streets. Lengths are in m, others are shares.
COMMON: dict[str, Range] = {
    "road": (3.0, 4.6), "parking": (0.0, 2.2), "kerb_height": (0.06, 0.15), "pavement": (1.6, 3.5),
    "camber": (0.01, 0.03), "bank": (-0.02, 0.02), "bend": (0.02, 0.1), "slope": (0.0, 0.03),
    "lot": (9.0, 15.0), "setback": (0.2, 5.0), "houses": (0.8, 0.95), "gap": (0.0, 0.3), "tall": (5.0, 14.0),
    "depth": (7.0, 13.0), "gables": (0.2, 0.8), "hall": (0.0, 0.0), "borders": (0.3, 0.9), "hedges": (0.2, 0.7),
    "tree_every": (8.0, 20.0), "trees": (0.2, 0.7), "crown": (1.2, 2.6), "avenue": (0.4, 1.2), "bushes": (0.0, 0.3),
    "woods": (0.1, 0.6), "poles": (0.3, 0.7), "parked": (0.2, 0.7), "trucks": (0.02, 0.1), "traffic": (0.1, 0.4),
    "people": (0.05, 0.4), "rails": (0.0, 0.0), "crossings": (0.2, 0.5), "grass": (0.1, 0.9), "cobbles": (0.0, 0.3),
    "markings": (0.5, 1.0),
}  # fmt: skip
KINDS: dict[str, dict[str, Range]] = {
    "mixed": {},
    "old town": {
        "road": (2.3, 3.2), "parking": (0.0, 0.0), "kerb_height": (0.02, 0.10), "pavement": (0.8, 1.8),
        "lot": (6.0, 11.0), "setback": (0.1, 0.4), "houses": (0.95, 1.0), "gap": (0.0, 0.08), "tall": (8.0, 16.0),
        "trees": (0.0, 0.15), "woods": (0.0, 0.1), "people": (0.2, 0.7), "cobbles": (0.3, 1.0), "grass": (0.0, 0.1),
        "markings": (0.0, 0.4), "slope": (0.0, 0.04), "avenue": (0.3, 0.5), "parked": (0.0, 0.3),
    },
    "residential": {
        "road": (2.7, 3.8), "parking": (0.0, 2.2), "lot": (13.0, 22.0), "setback": (3.0, 9.0), "gap": (0.2, 0.45),
        "tall": (4.0, 8.0), "gables": (0.6, 1.0), "borders": (0.7, 1.0), "hedges": (0.3, 0.8), "trees": (0.3, 0.8),
        "bushes": (0.2, 0.7), "woods": (0.3, 0.9), "grass": (0.6, 1.0), "markings": (0.0, 0.5), "slope": (0.0, 0.035),
    },
    "wide": {
        "road": (5.5, 9.0), "parking": (0.0, 0.5), "pavement": (2.0, 6.0), "setback": (8.0, 25.0), "houses": (0.0, 0.4),
        "lot": (18.0, 30.0), "gap": (0.2, 0.5), "tree_every": (8.0, 16.0), "trees": (0.2, 0.9), "bushes": (0.1, 0.6),
        "woods": (0.3, 1.0), "rails": (0.0, 0.6), "bend": (0.01, 0.06), "grass": (0.7, 1.0), "parked": (0.0, 0.1),
        "people": (0.0, 0.1), "traffic": (0.3, 0.7), "avenue": (0.6, 2.5), "borders": (0.0, 0.2),
    },
    "country": {
        "road": (2.6, 3.8), "parking": (0.0, 0.0), "kerb_height": (0.0, 0.02), "pavement": (0.6, 1.6),
        "bank": (-0.08, 0.12), "setback": (10.0, 30.0), "lot": (25.0, 45.0), "houses": (0.0, 0.15), "gap": (0.3, 0.6),
        "tall": (4.0, 7.0), "gables": (0.8, 1.0), "borders": (0.0, 0.5), "hedges": (0.5, 1.0),
        "tree_every": (6.0, 14.0),
        "trees": (0.1, 0.95), "crown": (1.6, 3.4), "bushes": (0.1, 0.9), "woods": (0.3, 1.0), "avenue": (0.8, 3.0),
        "poles": (0.1, 0.4), "parked": (0.0, 0.02), "people": (0.0, 0.05), "rails": (0.0, 0.4), "grass": (0.9, 1.0),
        "slope": (0.0, 0.035), "crossings": (0.05, 0.2),
    },
    "industrial": {
        "road": (3.3, 4.5), "lot": (25.0, 40.0), "setback": (5.0, 15.0), "houses": (0.6, 0.95), "gap": (0.1, 0.35),
        "tall": (5.0, 11.0), "depth": (20.0, 40.0), "gables": (0.0, 0.2), "hall": (1.0, 1.0), "borders": (0.4, 1.0),
        "hedges": (0.0, 0.3), "trees": (0.0, 0.4), "bushes": (0.1, 0.4), "parked": (0.1, 0.6), "trucks": (0.3, 0.6),
        "people": (0.0, 0.1), "grass": (0.3, 0.9), "bend": (0.01, 0.06),
    },
}  # fmt: skip

BUILT_UP = ("mixed", "old town", "residential")


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Parameters of one street world: those of COMMON and KINDS under the same names, and the following.

    Fields are numbers or tuples of numbers. Of P worlds (`stacked`, `on_device`) they are arrays or tensors (P, 1).
    `line` and `rise` are amplitudes (m), wave numbers (rad/m) and phases of the two waves of the centre line, and of
    the height along it. `tints` are the 18 colour factors of the six kinds of ground. `sun` is the direction to the
    sun. `light` is the strength of the sun, of the sky and of lamps. `haze` (m) is the distance at which contrast falls
    to 1/e. `origin` (m) is the position of the frame along the street. `own_lane` is the share of traffic in the lane
    of the vehicle itself.
    """

    key: Any
    origin: Any
    own_lane: Any
    line: Any
    rise: Any
    tints: Any
    leaf: Any
    wall: Any
    sun: Any
    light: Any
    haze: Any
    kerb: Any
    sidewalk: Any
    block: Any
    road: Any
    kerb_height: Any
    camber: Any
    bank: Any
    lot: Any
    setback: Any
    houses: Any
    gap: Any
    tall: Any
    depth: Any
    gables: Any
    hall: Any
    borders: Any
    hedges: Any
    tree_every: Any
    trees: Any
    crown: Any
    avenue: Any
    bushes: Any
    woods: Any
    poles: Any
    parked: Any
    trucks: Any
    traffic: Any
    people: Any
    rails: Any
    crossings: Any
    grass: Any
    cobbles: Any
    markings: Any


def random_world(rng: np.random.Generator, own_lane: float, varied: bool = True) -> World:
    """Random world, in the frame at the start of its street.

    With `varied` it has any kind of street, weather and time of day, else a built-up street by day.
    """
    kind = KINDS[str(rng.choice(list(KINDS if varied else BUILT_UP)))]
    ranges = {**COMMON, **kind}
    low, high = np.array(list(ranges.values())).T
    drawn = dict(zip(ranges, (low + rng.random(len(low)) * (high - low)).tolist(), strict=True))
    parking, pavement, bend, slope = (drawn.pop(name) for name in ("parking", "pavement", "bend", "slope"))
    kerb = drawn["road"] + (parking if parking > 1.0 else 0.3)
    drawn["parked"] *= parking > 1.0
    elevation, azimuth = rng.uniform(0.25, 1.2), rng.uniform(-math.pi, math.pi)
    flat = math.cos(elevation)
    tints = rng.uniform(0.8, 1.2, (6, 1)) * rng.uniform(0.93, 1.07, (6, 3))
    return World(
        key=int(rng.integers(-(2**31), 2**31)),
        origin=0.0,
        own_lane=own_lane,
        line=_waves(rng, bend, (120.0, 400.0)),
        rise=_waves(rng, slope, (200.0, 600.0)),
        tints=tuple(tints.ravel().tolist()),
        leaf=tuple(rng.uniform([0.05, 0.12, 0.03], [0.25, 0.33, 0.10]).tolist()),
        wall=tuple((rng.uniform(0.3, 0.7) * rng.uniform(0.8, 1.2, 3)).tolist()),
        sun=(flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)),
        light=_weather(rng, varied),
        haze=float(rng.uniform(60.0, 150.0) if varied and rng.random() < 0.1 else rng.uniform(150.0, 800.0)),
        kerb=kerb,
        sidewalk=kerb + pavement,
        block=float(rng.uniform(35.0, 90.0)),
        **drawn,
    )


def _waves(rng: np.random.Generator, slope: float, lengths: Range) -> tuple[float, ...]:
    """Amplitudes, wave numbers and phases of two random waves, whose slopes are up to `slope` each."""
    k = 2.0 * math.pi / rng.uniform(*lengths, 2)
    amplitude = slope * rng.uniform(0.3, 1.0, 2) / k
    return (*amplitude.tolist(), *k.tolist(), *rng.uniform(0.0, 2.0 * math.pi, 2).tolist())


def _weather(rng: np.random.Generator, varied: bool) -> tuple[float, ...]:
    """Strength of the sun, of the sky and of lamps on a sunny or overcast day, with `varied` also at dusk or night."""
    kind = rng.choice(4, p=[0.55, 0.27, 0.1, 0.08] if varied else [0.7, 0.3, 0.0, 0.0])
    sun = (rng.uniform(0.8, 1.6), rng.uniform(0.0, 0.15), rng.uniform(0.0, 0.05), 0.0)[kind]
    sky = (rng.uniform(0.3, 0.7), rng.uniform(0.7, 1.1), rng.uniform(0.15, 0.4), rng.uniform(0.01, 0.06))[kind]
    lamps = (0.0, 0.0, rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.0))[kind]
    return float(sun), float(sky), float(lamps)


def reframed(world: World, x: float) -> World:
    """The same world in the frame at the largest multiple of ORIGIN_STEP that is not above x (m along the street)."""
    origin = math.floor(x / ORIGIN_STEP) * ORIGIN_STEP

    def moved(waves: tuple[float, ...]) -> tuple[float, ...]:
        a, b, k, q, p, r = waves
        return a, b, k, q, math.fmod(p + k * origin, 2.0 * math.pi), math.fmod(r + q * origin, 2.0 * math.pi)

    return replace(world, origin=origin, line=moved(world.line), rise=moved(world.rise))


def stacked(worlds: Sequence[World]) -> World:
    """P worlds as one whose fields are arrays (P, 1): the key int32, the origin float64, all others float32."""

    def column(name: str) -> Any:
        values = np.array([getattr(world, name) for world in worlds], dtype=_DTYPES.get(name, np.float32))
        return tuple(values.T[:, :, None]) if values.ndim == 2 else values[:, None]

    return World(**{field.name: column(field.name) for field in fields(World)})


def on_device(world: World, device: torch.device) -> World:
    """`stacked` worlds with fields as tensors (P, 1) on a device: the key int32, all others float32."""
    values = {field.name: getattr(world, field.name) for field in fields(World)}
    flat = [a for v in values.values() for a in (v if isinstance(v, tuple) else (v,))]
    columns = iter(torch.from_numpy(np.concatenate(flat, 1).astype(np.float64)).to(device).T[:, :, None].float())
    moved: dict[str, Tensor | tuple[Tensor, ...]] = {}
    for name, value in values.items():
        moved[name] = tuple(next(columns) for _ in value) if isinstance(value, tuple) else next(columns)
    return World(**{**moved, "key": torch.from_numpy(world.key).to(device)})

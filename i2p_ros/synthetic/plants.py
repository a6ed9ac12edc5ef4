# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and woods. Their crowns are ellipsoids of leaves, with gaps between and in them."""

from __future__ import annotations

import math

import numpy as np

from i2p_ros.synthetic.random_streams import Array, RandomStream, between
from i2p_ros.synthetic.solids import Colour, Material, Shape, Site

TREE, BUSH, WOODS = 20, 21, 22  # numbers of the random streams
TREE_PARTS, BUSH_PARTS = 18, 4
BUSH_EVERY, WOODS_EVERY = 5.0, 9.0  # m


def add_plants(site: Site) -> None:
    """Adds all plants but hedges and grass."""
    _trees(site)
    _bushes(site)
    _woods(site)


def _tufts(site: Site, number: Array, kind: int, parts: int, draws: int) -> tuple[Array, ...]:
    """`draws` arrays (P, S, parts) of random numbers in 0..1, for the tufts of a plant."""
    part = np.arange(parts, dtype=np.int32)
    stream = RandomStream(site.world.key, (number[..., None] * parts + part).reshape(len(number), -1), kind + 100)
    return tuple(u.reshape(len(u), -1, parts) for u in stream.draw(draws))


def _spread_levels(level: Array) -> Array:
    """Levels (P, S, parts) in 0..1, one in each of `parts` equal intervals."""
    parts = level.shape[2]
    return np.asarray((np.arange(parts) + level) / parts)


def _leaf(site: Site, shade: Array, hue: Array) -> Colour:
    """Colours of leaves: the green of the world with a brightness `shade` and a share of brown `hue`."""
    r, g, b = (c if shade.ndim == 2 else c[..., None] for c in site.world.leaf)
    level = between(shade, 0.6, 1.5)
    return (r * level * between(hue, 0.7, 1.6), g * level, b * level * between(hue, 0.7, 1.3))


def _trees(site: Site) -> None:
    """Round and conical trees in a line beside the road, or anywhere in gardens."""
    w = site.world
    number, start, side = site.both_sides(w.tree_every)
    stream = RandomStream(w.key, number, TREE)
    here, at, out, garden, up, wide, thick, pointed, shade, hue, tint = stream.draw(11)
    along = start + between(at, 0.3, 0.7) * w.tree_every
    in_line = w.kerb + w.avenue * between(out, 0.9, 1.3)
    in_garden = w.sidewalk + 0.8 + out * (w.setback + 2.0)
    offset = side * np.where((garden < 0.45) & (w.setback > 2.0), in_garden, in_line)
    present = (here < w.trees) & site.free(along, offset, 1.0)
    cone = pointed < 0.2
    crown, stem = w.crown * between(wide, 0.6, 1.3), np.where(cone, 0.5, between(up, 1.6, 3.8))
    trunk = between(thick, 0.12, 0.5)
    tall = np.where(cone, 3.2, 1.9) * crown
    bark = (0.12 + 0.2 * tint, 0.10 + 0.16 * tint, 0.07 + 0.13 * tint)
    place, size, tree = (along, offset, -0.3), (trunk, trunk, stem + 0.3 + 0.5 * tall), site.groups(present)
    site.add(Shape.CYLINDER, Material.WOOD, present, place, size, bark, tint, group=tree)
    turn, radius, level, size_u, lit = _tufts(site, number, TREE, TREE_PARTS, 5)
    crown, stem, tall, cone, hue = (a[..., None] for a in (crown, stem, tall, cone, hue))
    level = _spread_levels(level)
    around = np.where(cone, 0.7 * (1.0 - level), np.sqrt(np.maximum(1.0 - (2.0 * level - 1.0) ** 2, 0.05)))
    reach = crown * around * between(radius, 0.35, 0.85)
    x, y = along[..., None] + reach * np.cos(2 * math.pi * turn), offset[..., None] + reach * np.sin(6.283 * turn)
    tuft = crown * between(size_u, 0.35, 1.0) * np.where(cone, 0.9 - 0.5 * level, 1.0)
    bottom = stem + level * tall - 0.4 * tuft
    leaf = _leaf(site, 0.5 * shade[..., None] + 0.5 * lit, hue)
    cover = between(thick, 0.35, 0.7)[..., None]
    there = present[..., None]
    size3 = (tuft, tuft * between(turn, 0.8, 1.2), tuft * between(lit, 0.6, 0.9))
    site.add(Shape.ELLIPSOID, Material.LEAVES, there, (x, y, bottom), size3, leaf, lit, cover=cover, group=tree)


def _bushes(site: Site) -> None:
    w = site.world
    number, start, side = site.both_sides(BUSH_EVERY)
    here, at, out, size_u, shade, hue = RandomStream(w.key, number, BUSH).draw(6)
    along, offset = start + at * BUSH_EVERY, side * (w.sidewalk + 0.6 + out * 5.0)
    present = (here < w.bushes) & (out * 5.0 < w.setback) & site.free(along, offset, 0.8)
    x, y, wide, tall, lit = _tufts(site, number, BUSH, BUSH_PARTS, 5)
    size = between(size_u, 0.5, 1.6)[..., None]
    place = (along[..., None] + size * (x - 0.5), offset[..., None] + size * (y - 0.5), -0.15)
    leaf = _leaf(site, 0.6 * shade[..., None] + 0.4 * lit, hue[..., None])
    tuft = (size * between(wide, 0.6, 1.3), size * between(lit, 0.6, 1.3), size * between(tall, 0.5, 1.3))
    site.add(Shape.ELLIPSOID, Material.LEAVES, present[..., None], place, tuft, leaf, lit, cover=0.6)


def _woods(site: Site) -> None:
    """Edges of woods or parks behind the houses."""
    w = site.world
    number, start, side = site.both_sides(WOODS_EVERY)
    here, at, back, shade, hue = RandomStream(w.key, number, WOODS).draw(5)
    stretch = RandomStream(w.key, number // 8 * 2 + number % 2, WOODS).draw(1)[0]
    along = start + at * WOODS_EVERY
    offset = side * (w.sidewalk + w.setback + between(back, 4.0, 22.0) + 12.0 * (w.houses > 0.3))
    present = (here < 0.85) & (stretch < w.woods) & site.free(along, offset, 3.0)
    x, y, wide, level, lit = _tufts(site, number, WOODS, 4, 5)
    bottom = 7.0 * _spread_levels(level) - 1.5
    place = (along[..., None] + 6.0 * (x - 0.5), offset[..., None] + 6.0 * (y - 0.5), bottom)
    leaf = _leaf(site, 0.6 * shade[..., None] + 0.4 * lit, hue[..., None])
    size = (between(wide, 3.0, 7.0), between(lit, 3.0, 6.0), between(wide, 3.0, 6.0))
    site.add(Shape.ELLIPSOID, Material.LEAVES, present[..., None], place, size, leaf, lit, cover=0.65)

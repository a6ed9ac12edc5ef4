# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Houses and halls with roofs, bays and balconies, also at side streets; hedges, fences and walls of gardens."""

from __future__ import annotations

import numpy as np

from i2p_ros.synthetic.random_streams import Array, RandomStream, between
from i2p_ros.synthetic.solids import Material, Shape, Site, random_colour

LOT, SECOND_ROW, BORDER, SIDE_STREET = 10, 11, 12, 13  # numbers of the random streams
SUNK = 1.5  # m of houses below the ground, which may slope
HEDGE_PARTS = 14


def add_buildings(site: Site) -> None:
    """Adds houses, and the borders of their gardens."""
    _houses(site)
    _second_row(site)
    _side_streets(site)
    _borders(site)


def _houses(site: Site) -> None:
    w = site.world
    number, start, side = site.both_sides(w.lot)
    stream = RandomStream(w.key, number, LOT)
    here, shorter, set_back, up, deep, turn, grey, r, g, b, tint = stream.draw(11)
    length = w.lot * (1.0 - w.gap * (0.3 + 0.7 * shorter))
    middle, front = start + 0.5 * w.lot, w.sidewalk + w.setback * between(set_back, 0.5, 1.0)
    depth, height = w.depth * between(deep, 0.7, 1.2), w.tall * between(up, 0.6, 1.4)
    offset, yaw = side * (front + 0.5 * depth), 0.06 * (turn - 0.5)
    present = (here < w.houses) & site.free(middle, offset, 0.5 * length)
    material = np.where(w.hall > 0.5, float(Material.HALL), float(Material.FACADE))
    colour = random_colour(grey, (r, g, b), 0.25, 0.85, 0.35)
    place, house = (middle, offset, -SUNK), site.groups(present)
    site.add(Shape.BOX, material, present, place, (length, depth, height + SUNK), colour, tint, yaw, group=house)
    _roof(site, stream, present, (middle, offset, height), (length, depth), yaw, house)
    _balconies(site, stream, present & (w.hall < 0.5), (middle, side * front, height), length)
    _annex(site, stream, present, (start + w.lot, side * front), side)


def _roof(
    site: Site, stream: RandomStream, present: Array, top: tuple[Array, Array, Array], size: tuple[Array, Array],
    yaw: Array, house: Array,
) -> None:  # fmt: skip
    """A gable roof along the street or across it, or a flat roof with a box on it; and a chimney."""
    gable, turned, steep, wide, grey, r, g, b, tint, x, y = stream.draw(11)
    middle, offset, height = top
    length, depth = size
    is_gable, turned = gable < site.world.gables, turned < 0.3
    red = (0.3 + 0.5 * grey, 0.5 * r, 0.5 * b)
    colour = random_colour(grey, red, 0.15, 0.45, 0.4)
    rise = np.where(turned, length, depth) * between(steep, 0.25, 0.55)
    slope = (np.where(turned, 0.98, 0.04), np.where(turned, 0.04, 0.98))
    over = (length * 1.03, depth * 1.07, rise)
    site.add(
        Shape.TAPERED_BOX, Material.ROOF, present & is_gable, top, over, colour, tint, yaw, taper=slope, group=house
    )
    flat = (
        length * between(wide, 0.5, 1.04),
        depth * between(steep, 0.5, 1.05),
        between(tint, 0.5, 2.2),
    )
    site.add(Shape.BOX, Material.PLASTER, present & ~is_gable, top, flat, colour, tint, yaw, group=house)
    chimney = (middle + 0.7 * (x - 0.5) * length, offset + 0.3 * (y - 0.5) * depth, height)
    size3, brick = (0.6, 0.6, rise + 0.6), (0.4, 0.28, 0.22)
    site.add(Shape.BOX, Material.PLASTER, present & (g < 0.6), chimney, size3, brick, tint, group=house)


def _balconies(site: Site, stream: RandomStream, present: Array, front: tuple[Array, ...], length: Array) -> None:
    """A bay, a balcony, an awning or doorsteps in front of the facade, at each of two storeys."""
    middle, line, height = front
    for storey in range(2):
        kind, wide, out, at, grey, r, g, b, tint = stream.draw(9)
        width, reach = length * between(wide, 0.15, 0.5), between(out, 0.5, 1.4)
        along = middle + (length - width) * (at - 0.5) * 0.9
        bay, low = kind < 0.25, height * (0.0 if storey == 0 else 0.4)
        tall = np.where(bay, height * 0.55, between(grey, 0.15, 1.1))
        bottom = np.where(bay, low, 2.6 + 2.9 * storey) - np.where(kind > 0.8, 2.6 * (1 - storey), 0.0)
        fits = present & (kind < 0.95) & (bottom + tall < height)
        material = np.where(bay, float(Material.FACADE), float(Material.PLASTER))
        colour = random_colour(grey, (r, g, b), 0.25, 0.85, 0.3)
        site.add(Shape.BOX, material, fits, (along, line, bottom), (width, 2.0 * reach, tall), colour, tint)


def _annex(site: Site, stream: RandomStream, present: Array, corner: tuple[Array, Array], side: Array) -> None:
    """A garage or a wall in the gap to the next house."""
    here, deep, up, back, grey, r, g, b, tint = stream.draw(9)
    along, line = corner
    depth = between(deep, 2.0, 6.0)
    place = (along, line + side * (between(back, 0.5, 5.0) + 0.5 * depth), -SUNK)
    present = present & (here < 0.5) & (site.world.gap > 0.12) & site.free(*place[:2], 2.5)
    size = (between(grey, 2.5, 4.5), depth, between(up, 1.8, 3.0) + SUNK)
    site.add(Shape.BOX, Material.PLASTER, present, place, size, random_colour(grey, (r, g, b), 0.3, 0.85, 0.3), tint)


def _second_row(site: Site) -> None:
    """Houses behind those of the street, which are visible through gaps."""
    w = site.world
    number, start, side = site.both_sides(w.lot * 1.4)
    here, wide, up, back, turn, grey, r, g, b, tint = RandomStream(w.key, number, SECOND_ROW).draw(10)
    offset = side * (w.sidewalk + w.setback + 22.0 + 18.0 * back)
    length, tall, yaw = between(wide, 8.0, 18.0), w.tall * between(up, 0.7, 1.5), turn - 0.5
    present = (here < 0.6 * w.houses) & site.free(start, offset, 0.5 * length)
    colour = random_colour(grey, (r, g, b), 0.25, 0.85, 0.35)
    place, size = (start, offset, -SUNK), (length, 10.0, tall + SUNK)
    site.add(Shape.BOX, Material.FACADE, present, place, size, colour, tint, yaw)
    roof = random_colour(tint, (0.4 + 0.4 * r, 0.5 * g, 0.4 * b), 0.15, 0.45, 0.4)
    present, top = present & (r < w.gables), (start, offset, tall)
    site.add(Shape.TAPERED_BOX, Material.ROOF, present, top, (length, 10.6, 3.5), roof, tint, yaw, taper=(0.04, 0.98))


def _side_streets(site: Site) -> None:
    """Houses along side streets, and at the ends of some of them."""
    w, streets = site.world, site.side_streets
    half = np.concatenate([streets.left, streets.right], 1)
    middle = np.concatenate([streets.middle, streets.middle], 1)
    side = np.concatenate([np.ones_like(streets.left), -np.ones_like(streets.right)], 1)
    block = np.arange(streets.left.shape[1]) + streets.first
    stream = RandomStream(w.key, np.concatenate([2 * block, 2 * block + 1], 1).astype(np.int32), SIDE_STREET)
    for across in (-1.0, 1.0):
        here, deep, wide, up, grey, r, g, b, tint = stream.draw(9)
        depth, length = between(deep, 8.0, 12.0), between(wide, 10.0, 18.0)
        along, offset = middle + across * (half + 2.0 + 0.5 * depth), side * (w.sidewalk + 19.0 + 0.5 * length)
        size, colour = (
            (depth, length, w.tall * between(up, 0.5, 1.4) + SUNK),
            random_colour(grey, (r, g, b), 0.25, 0.85, 0.35),
        )
        present = (half > 0) & (here < 1.2 * w.houses)
        site.add(Shape.BOX, Material.FACADE, present, (along, offset, -SUNK), size, colour, tint)
    here, wide, far, up, grey, r, g, b, tint = stream.draw(9)
    closing = (between(wide, 10.0, 20.0), 8.0, w.tall * between(up, 0.5, 1.4))
    colour = random_colour(grey, (r, g, b), 0.2, 0.8, 0.3)
    place = (middle, side * between(far, 45.0, 60.0), 0.0)
    site.add(Shape.BOX, Material.FACADE, (half > 0) & (here < 0.5), place, closing, colour, tint)


def _borders(site: Site) -> None:
    """A hedge of many tufts around a core, a fence with gaps or a wall, between gardens and the sidewalk."""
    w = site.world
    number, start, side = site.both_sides(w.lot)
    stream = RandomStream(w.key, number, BORDER)
    here, kind, up, wide, short, grey, r, g, b, tint, gaps = stream.draw(11)
    length, middle = w.lot * between(short, 0.6, 1.0), start + 0.5 * w.lot
    offset = side * (w.sidewalk + between(wide, 0.3, 0.8))
    present = (here < w.borders) & (w.setback > 1.2) & site.free(middle, offset, 0.5 * length)
    hedge, height = kind < w.hedges, between(up, 0.7, 1.9)
    fence = ~hedge & (gaps < 0.7)
    place, colour = (middle, offset, 0.0), random_colour(grey, (r, g, b), 0.25, 0.9, 0.25)
    cover, thick = np.where(fence, between(gaps, 0.35, 1.15), 1.0), np.where(fence, 0.05, 0.25)
    material = np.where(fence, float(Material.FENCE), float(Material.PLASTER))
    size = (length, thick, 0.75 * height)
    site.add(Shape.BOX, material, present & ~hedge, place, size, colour, tint, cover=cover)
    leaf = tuple(c * between(grey, 0.6, 1.3) for c in w.leaf)
    site.add(Shape.BOX, Material.LEAVES, present & hedge, place, (length, 0.3, 0.8 * height), leaf, tint)
    part = (np.arange(HEDGE_PARTS) + 0.5) / HEDGE_PARTS - 0.5
    count = np.arange(HEDGE_PARTS, dtype=np.int32)
    tufts = RandomStream(w.key, (number[..., None] * HEDGE_PARTS + count).reshape(len(number), -1), BORDER + 100).draw(
        5
    )
    x, y, z, size_u, shade = (a.reshape(len(a), -1, HEDGE_PARTS) for a in tufts)
    along = middle[..., None] + length[..., None] * (part + 0.5 * (x - 0.5) / HEDGE_PARTS)
    tall = height[..., None] * between(z, 0.75, 1.1)
    tuft = (length[..., None] * 1.8 / HEDGE_PARTS, between(size_u, 0.6, 1.1), tall)
    at = (along, offset[..., None] + 0.2 * (y - 0.5), 0.0)
    leaves = tuple(c[..., None] * between(shade, 0.75, 1.25) for c in leaf)
    here_too = (present & hedge)[..., None]
    site.add(Shape.ELLIPSOID, Material.LEAVES, here_too, at, tuft, leaves, shade, cover=0.65)

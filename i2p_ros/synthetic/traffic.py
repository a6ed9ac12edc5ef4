# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects in streets: cars, vans, trucks, people, cyclists, poles, lamps, signs, guard rails, bins."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from i2p_ros.synthetic.random_streams import Array, RandomStream, between
from i2p_ros.synthetic.solids import Material, Shape, Site, Value, random_colour

POLE, SMALL_THING, PARKED, YARD, MOVING, PERSON, RAIL = range(30, 37)  # numbers of the random streams
POLE_EVERY, SMALL_EVERY, PARKED_EVERY, YARD_EVERY, MOVING_EVERY, PERSON_EVERY = 13.0, 17.0, 6.2, 9.0, 24.0, 9.0  # m
RAIL_LENGTH = 16.0  # m


def add_traffic(site: Site) -> None:
    """Adds vehicles, people and street furniture."""
    _poles(site)
    _small_things(site)
    _parked(site)
    _moving(site)
    _people(site)
    _rails(site)


def _poles(site: Site) -> None:
    """Lamps on arms, signs and traffic lights."""
    w = site.world
    number, start, side = site.both_sides(POLE_EVERY)
    stream = RandomStream(w.key, number, POLE)
    here, at, out, up, thick, kind, grey, r, g, b, tint = stream.draw(11)
    along, offset = start + at * POLE_EVERY, side * (w.kerb + between(out, 0.3, 1.0))
    present = (here < w.poles) & site.free(along, offset, 0.5)
    lamp = kind < 0.35
    height, width = np.where(lamp, between(up, 4.5, 9.0), between(up, 2.0, 3.6)), between(thick, 0.07, 0.2)
    steel, pole = random_colour(grey, (r, g, b), 0.2, 0.6, 0.1), site.groups(present)
    size = (width, width, height + 0.3)
    site.add(Shape.CYLINDER, Material.METAL, present, (along, offset, -0.3), size, steel, tint, group=pole)
    arm = between(out, 0.8, 2.2)
    place = (along, offset - side * 0.5 * arm, height - 0.15)
    site.add(Shape.BOX, Material.METAL, present & lamp, place, (0.2, arm, 0.12), steel, tint, group=pole)
    wide, tall = between(r, 0.4, 0.9), between(g, 0.4, 1.0)
    hue = np.floor(b * 4.0)
    red = np.where(hue == 0, 0.75, np.where(hue == 1, 0.08, 0.85))
    green = np.where(hue == 0, 0.10, np.where(hue == 1, 0.18, np.where(hue == 2, 0.75, 0.85)))
    blue = np.where(hue == 0, 0.10, np.where(hue == 1, 0.65, np.where(hue == 2, 0.15, 0.85)))
    for level in range(2):
        there = present & ~lamp & (kind > (0.0 if level == 0 else 0.75))
        place = (along - 0.02, offset, height - tall - level * 0.7)
        board, turn = (0.05, wide, tall * (1.0 - 0.4 * level)), 0.4 * (tint - 0.5)
        site.add(Shape.BOX, Material.SIGN, there, place, board, (red, green, blue), tint, turn, group=pole)


def _small_things(site: Site) -> None:
    """Bollards, cabinets, bins, posters, benches, shelters."""
    w = site.world
    number, start, side = site.both_sides(SMALL_EVERY)
    here, at, out, long_, deep, up, grey, r, g, b, tint = RandomStream(w.key, number, SMALL_THING).draw(11)
    along, offset = start + at * SMALL_EVERY, side * (w.sidewalk - between(out, -1.5, 0.6))
    present = (here < 0.45) & (w.setback > 0.8) & site.free(along, offset, 1.0)
    tall = between(up, 0.6, 1.6) + 1.2 * (r > 0.85)
    size = (between(long_, 0.3, 1.8), between(deep, 0.3, 0.7), tall)
    colour = random_colour(grey, (r, g, b), 0.08, 0.8, 0.6)
    site.add(Shape.BOX, Material.PLASTER, present, (along, offset, 0.0), size, colour, tint)
    offset, there = side * (w.kerb + 0.25), (here > 0.6) & site.free(along, offset, 0.2) & (w.kerb_height > 0.03)
    thin = (0.14, 0.14, between(up, 0.6, 1.1))
    site.add(Shape.CYLINDER, Material.METAL, there, (along, offset, 0.0), thin, colour, tint)


def _vehicle(
    site: Site, stream: RandomStream, present: Array, along: Array, offset: Array, yaw: Array, trucks: Value
) -> None:
    """A car with a body and a cabin, a van, or a truck. `trucks` is the share of trucks."""
    kind, long_, wide, up, grey, r, g, b, tint = stream.draw(9)
    length, width = between(long_, 3.6, 4.9), between(wide, 1.65, 1.9)
    colour = random_colour(grey, (r, g, b), 0.05, 0.9, 0.35)
    truck, van = kind < trucks, (kind >= trucks) & (kind < trucks + 0.15)
    car = present & ~truck & ~van
    waist = between(up, 0.6, 0.8)
    place = (along, offset, 0.2)
    add = partial(site.add, colour=colour, tint=tint, yaw=yaw, group=site.groups(present))
    add(Shape.TAPERED_BOX, Material.CAR_BODY, car, place, (length, width, waist), taper=(0.05, 0.06))
    share, cos, sin = between(g, 0.5, 0.68), np.cos(yaw), np.sin(yaw)
    back = (0.5 - share) * 0.45 * length
    glass = (share * length, width - 0.15, between(up, 0.5, 0.75))
    cabin = (along + back * cos, offset + back * sin, 0.2 + waist)
    add(Shape.TAPERED_BOX, Material.CAR_CABIN, car, cabin, glass, taper=(between(r, 0.25, 0.5), 0.2))
    size = (length + 0.8, width + 0.15, between(up, 1.6, 2.3))
    add(Shape.TAPERED_BOX, Material.CAR_BODY, present & van, place, size, taper=(0.12, 0.1))
    box = (between(long_, 4.5, 9.0), 2.4, between(up, 2.0, 2.9))
    add(Shape.BOX, Material.TRUCK, present & truck, (along, offset, 0.9), box)
    frame = (box[0] - 0.6, 2.0, 0.8)
    add(Shape.BOX, Material.METAL, present & truck, (along, offset, 0.1), frame, colour=(0.05, 0.05, 0.05))
    head = (along + cos * (0.5 * box[0] + 1.1), offset + sin * (0.5 * box[0] + 1.1), 0.4)
    front = (1.9, 2.3, between(up, 1.9, 2.6))
    add(Shape.TAPERED_BOX, Material.CAR_BODY, present & truck, head, front, taper=(0.15, 0.05))


def _parked(site: Site) -> None:
    """Vehicles in parking lanes, and at any multiple of a right angle in yards."""
    w = site.world
    number, start, side = site.both_sides(PARKED_EVERY)
    stream = RandomStream(w.key, number, PARKED)
    here, at, out, turn = stream.draw(4)
    along, offset = start + 3.0 + 0.8 * at, side * (w.kerb - 1.1 + 0.15 * out)
    present = (here < w.parked) & site.free(along, offset, 3.5) & (w.kerb > w.road + 1.0)
    yaw = 0.1 * (turn - 0.5) + np.where(at < 0.3, math.pi, 0.0)
    _vehicle(site, stream, present, along, offset, yaw, 0.3 * w.trucks)
    number, start, side = site.both_sides(YARD_EVERY)
    stream = RandomStream(w.key, number, YARD)
    here, at, out, turn = stream.draw(4)
    along, offset = start + at * YARD_EVERY, side * (w.sidewalk + 3.0 + 0.5 * w.setback * out)
    present = (here < 0.3) & (w.setback > 4.5) & (w.houses > 0.3) & site.free(along, offset, 3.5)
    _vehicle(site, stream, present, along, offset, 0.5 * math.pi * np.floor(4.0 * turn), 0.5 * w.trucks)


def _moving(site: Site) -> None:
    """Vehicles on the road: oncoming in the left lane, and in the own lane where the world has traffic there."""
    w = site.world
    number, start, side = site.both_sides(MOVING_EVERY)
    stream = RandomStream(w.key, number, MOVING)
    here, at, out, turn = stream.draw(4)
    along, offset = start + at * (MOVING_EVERY - 10.0), side * (0.5 * w.road + 0.4 * (out - 0.5))
    present = here < w.traffic * np.where(side > 0, 1.0, w.own_lane)
    _vehicle(site, stream, present, along, offset, 0.06 * (turn - 0.5) + np.where(side > 0, math.pi, 0.0), w.trucks)


def _people(site: Site) -> None:
    """People on sidewalks, and cyclists at the edge of the road."""
    w = site.world
    number, start, side = site.both_sides(PERSON_EVERY)
    here, at, out, up, ride, turn, grey, r, g, b, tint = RandomStream(w.key, number, PERSON).draw(11)
    rides = ride < 0.25
    offset = side * np.where(rides, w.road - 0.4, between(out, w.kerb + 0.4, w.sidewalk + 0.1))
    along, lift = start + at * PERSON_EVERY, np.where(rides, 0.35, 0.0)
    present = (here < w.people) & ~(rides & (side < 0) & (w.own_lane == 0.0))
    height = between(up, 1.5, 1.95)
    coat, trousers = random_colour(grey, (r, g, b), 0.08, 0.8, 0.6), random_colour(tint, (b, r, g), 0.04, 0.5, 0.4)
    leg, person = np.where(rides, 0.18, 0.26), site.groups(present)
    place = (along, offset, lift)
    site.add(Shape.CYLINDER, Material.CLOTH, present, place, (leg, 0.3, 0.5 * height), trousers, tint, group=person)
    place, size = (along, offset, lift + 0.42 * height), (0.34, between(turn, 0.42, 0.58), 0.46 * height)
    site.add(Shape.ELLIPSOID, Material.CLOTH, present, place, size, coat, tint, group=person)
    skin = (0.55 * between(grey, 0.5, 1.2), 0.42 * between(grey, 0.5, 1.2), 0.34 * between(grey, 0.5, 1.2))
    place, head = (along, offset, lift + 0.86 * height), (0.21, 0.19, 0.27)
    site.add(Shape.ELLIPSOID, Material.SKIN, present, place, head, skin, tint, group=person)
    for end in (-0.55, 0.55):
        wheel, disc, black = (along + end, offset, 0.0), (0.6, 0.05, 0.65), (0.1, 0.1, 0.1)
        site.add(Shape.BOX, Material.METAL, present & rides, wheel, disc, black, tint, cover=0.5, group=person)


def _rails(site: Site) -> None:
    """Guard rails on posts."""
    w = site.world
    number, start, side = site.both_sides(RAIL_LENGTH)
    stream = RandomStream(w.key, number // 4 * 2 + number % 2, RAIL)
    here, out, grey = stream.draw(3)
    along, offset = start + 0.5 * RAIL_LENGTH, side * (w.kerb + between(out, 0.3, 0.9))
    present = (here < w.rails) & site.free(along, offset, 0.5 * RAIL_LENGTH)
    colour = (between(grey, 0.35, 0.6),) * 3
    rail = (along, offset, 0.45)
    site.add(Shape.BOX, Material.METAL, present, rail, (RAIL_LENGTH, 0.08, 0.32), colour, grey)
    for end in (-0.375, -0.125, 0.125, 0.375):
        post = (along + end * RAIL_LENGTH, offset + 0.06 * side, -0.1)
        site.add(Shape.BOX, Material.METAL, present, post, (0.1, 0.06, 0.75), colour, grey)

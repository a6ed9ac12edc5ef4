# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection of rays with solids. Each solid is tested with the rays of its rectangle of the ray grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import hashed, picked, put, uniform
from i2p_ros.synthetic.solids import Shape, Solids

NEAR = 0.1  # m; least distance of a hit
LEAF_CELL = 0.16  # m; size of the cells that are filled with leaves or empty
BOARD_SPACING = 0.16  # m from one board of a fence to the next
NO_SOLID = -1  # index of a ray that hits no solid
_HUGE = 1e30  # penalty on a violated condition: moves the distance beyond all hits
_MISS = 0x49742400 << 32  # sorting key of 1000 km, which is beyond all hits

Axes = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """Grids of rays, one for each of P places, row by row, `columns` (P,) int64 wide, padded to R rays.

    Without `axis` the rays start at `origin` (3, P, 1) and have `directions` (3, P, R). With `axis` (3, P, 1) they are
    parallel: they start at `origin` + `directions` and have the direction `axis`. Distances are in units of the length
    of the direction.
    """

    origin: Tensor
    directions: Tensor
    columns: Tensor
    axis: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rectangles:
    """W rectangles of ray grids, each with the index of the `solid` that may be hit there. All are (W,) int64.

    `bottom` and `right` are excluded.
    """

    solid: Tensor
    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    def selected(self, index: Tensor) -> Rectangles:
        """Rectangles of an index or mask."""
        return Rectangles(*(a[index] for a in (self.solid, self.top, self.bottom, self.left, self.right)))


def cast_solids(rays: Rays, solids: Solids, rectangles: Rectangles) -> tuple[Tensor, Tensor]:
    """Distance (P, R) to the first solid on each ray, or infinity, and its index (P, R), or NO_SOLID."""
    _, places, size = rays.directions.shape
    table = _unit_frames(rays, solids)
    nearest = torch.full((places * size,), _MISS, dtype=torch.int64, device=rays.directions.device)
    shape = solids.shape[rectangles.solid]
    directions = rays.directions.reshape(3, -1)
    for kind in Shape:
        ray, solid = candidate_pairs(rectangles.selected(shape == kind), rays.columns, solids.place, size)
        if len(ray):
            frame = table.index_select(1, solid)
            vector = [d.index_select(0, ray) for d in directions]
            distance = _beyond_near(_ENTER[kind](*_local(frame, vector, rays.axis is not None), solids, solid))
            bits = distance.view(torch.int32) & 0x7FFFFFFF  # bits of positive floats sort as the floats do, NaN last
            nearest.scatter_reduce_(0, ray, (bits.to(torch.int64) << 32) | solid, "amin")
    hit = nearest < _MISS
    distance = (nearest >> 32).to(torch.int32).view(torch.float32)
    solid = torch.where(hit, nearest & 0xFFFFFFFF, NO_SOLID)
    return torch.where(hit, distance, torch.inf).view(places, size), solid.view(places, size)


def candidate_pairs(rectangles: Rectangles, columns: Tensor, place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Pairs of a ray and a solid in all rectangles: indices of rays (N,) in the flattened grids (P * size), and of
    solids (N,), int64."""
    height, width = rectangles.bottom - rectangles.top, rectangles.right - rectangles.left
    window = torch.repeat_interleave(height)
    row = torch.arange(len(window), device=height.device) + (rectangles.top - height.cumsum(0) + height)[window]
    there = place[rectangles.solid]
    first = (there * size + rectangles.left)[window] + row * columns[there][window]
    length = width[window]
    run = torch.repeat_interleave(length)
    ray = torch.arange(len(run), device=run.device) + (first - length.cumsum(0) + length).index_select(0, run)
    return ray, rectangles.solid[window].index_select(0, run)


def _unit_frames(rays: Rays, solids: Solids) -> Tensor:
    """Table (8, M) that takes rays to the unit frame of each solid, whose unit is the half size.

    Rows 0 to 2 are the ray origin in this frame, rows 3 to 7 the entries of the matrix for other vectors. Parallel rays
    have three more rows: their common direction.
    """
    c, s, (hx, hy, hz) = solids.cos, solids.sin, solids.half
    x, y, z = rays.origin[:, solids.place, 0] - solids.centre
    matrix = [c / hx, s / hx, -s / hy, c / hy, 1.0 / hz]
    offset = [matrix[0] * x + matrix[1] * y, matrix[2] * x + matrix[3] * y, matrix[4] * z]
    if rays.axis is not None:
        dx, dy, dz = rays.axis[:, solids.place, 0]
        common = [matrix[0] * dx + matrix[1] * dy, matrix[2] * dx + matrix[3] * dy, matrix[4] * dz]
        return torch.stack([*offset, *matrix, *common])
    return torch.stack([*offset, *matrix])


def _local(frame: Tensor, vector: list[Tensor], parallel: bool) -> tuple[Axes, Axes]:
    """Origins and directions, each x, y, z (N,), of rays in the unit frames of their solids."""
    ox, oy, oz, a, b, c, d, e = frame[:8]
    x, y, z = vector
    x, y, z = a * x + b * y, c * x + d * y, e * z
    if parallel:
        return (ox + x, oy + y, oz + z), (frame[8], frame[9], frame[10])
    return (ox, oy, oz), (x, y, z)


def _beyond_near(t: Tensor) -> Tensor:
    """t, or a huge value where t is less than NEAR. Arithmetic is many times as fast on a CPU as a mask."""
    return t + ((NEAR - t) * _HUGE).clamp_(min=0.0)


def _before_exit(enter: Tensor, leave: Tensor) -> Tensor:
    """`enter`, or a huge value where it is greater than `leave`."""
    return enter + ((enter - leave) * _HUGE).clamp_(min=0.0)


def _enter_box(o: Axes, d: Axes, solids: Solids, solid: Tensor) -> Tensor:
    """Distance at which rays enter the cube of half size 1, huge or NaN for misses (slab test, Kay & Kajiya 1986).

    Fences have gaps.
    """
    inverse = [1.0 / v for v in d]
    middle = [-p * i for p, i in zip(o, inverse, strict=True)]
    inverse = [i.abs_() for i in inverse]
    enter = torch.maximum(torch.maximum(middle[0] - inverse[0], middle[1] - inverse[1]), middle[2] - inverse[2])
    leave = torch.minimum(torch.minimum(middle[0] + inverse[0], middle[1] + inverse[1]), middle[2] + inverse[2])
    enter = _before_exit(enter, leave)
    gappy = (solids.cover < 1.0).index_select(0, solid).nonzero()[:, 0]
    if len(gappy):
        which, at, x, dx = (picked(a, gappy) for a in (solid, enter, o[0], d[0]))
        along = (x + at * dx) * picked(solids.half[0], which) * (1.0 / BOARD_SPACING)
        put(enter, gappy, at + ((along - torch.floor(along) - picked(solids.cover, which)) * _HUGE).clamp_(min=0.0))
    return enter


def _enter_tapered_box(o: Axes, d: Axes, solids: Solids, solid: Tensor) -> Tensor:
    """Distance at which rays enter a tapered box, as `_enter_box`.

    Its sides |x| <= 1 - taper (1 + z) / 2 lean inwards. It is the intersection of six half spaces n p <= a.
    """
    enter, leave = torch.full_like(d[0], -torch.inf), torch.full_like(d[0], torch.inf)
    for axis in (0, 1, 2):
        lean = 0.5 * solids.taper[axis].index_select(0, solid) if axis < 2 else torch.zeros_like(d[0])
        for sign in (1.0, -1.0):
            along = sign * d[axis] + lean * d[2]
            reach = (1.0 - lean - sign * o[axis] - lean * o[2]) / along
            out = along * _HUGE
            enter = torch.maximum(enter, reach - out.clamp(min=0.0))
            leave = torch.minimum(leave, reach + out.neg_().clamp_(min=0.0))
    return _before_exit(enter, leave)


def _enter_ellipsoid(o: Axes, d: Axes, solids: Solids, solid: Tensor) -> Tensor:
    """Distance at which rays enter the unit sphere, or leave it where its front has a gap, huge or NaN for misses."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1.0
    root = torch.sqrt(b * b - a * c)  # NaN for misses, which sort last
    a, cover = 1.0 / a, solids.cover.index_select(0, solid)
    cells = [solids.half[k].index_select(0, solid) * (1.0 / LEAF_CELL) for k in range(3)]
    key = (solids.tint * 65536.0).to(torch.int32).index_select(0, solid)

    def shell(t: Tensor) -> Tensor:
        i, j, k = (torch.floor((p + t * v) * n).to(torch.int32) for p, v, n in zip(o, d, cells, strict=True))
        return _beyond_near(t) + ((uniform(hashed(i, j, k, key)) - cover) * _HUGE).clamp_(min=0.0)

    return torch.minimum(shell((-b - root) * a), shell((root - b) * a))


def _enter_cylinder(o: Axes, d: Axes, solids: Solids, solid: Tensor) -> Tensor:
    """Distance at which rays enter the upright cylinder of radius and half height 1, huge or NaN for misses."""
    a = d[0] * d[0] + d[1] * d[1]
    b = o[0] * d[0] + o[1] * d[1]
    root = torch.sqrt(b * b - a * (o[0] * o[0] + o[1] * o[1] - 1.0))
    inverse = 1.0 / d[2]
    middle, inverse = -o[2] * inverse, inverse.abs()
    enter = torch.maximum((-b - root) / a, middle - inverse)
    leave = torch.minimum((root - b) / a, middle + inverse)
    return _before_exit(enter, leave)


_ENTER = {
    Shape.BOX: _enter_box,
    Shape.TAPERED_BOX: _enter_tapered_box,
    Shape.ELLIPSOID: _enter_ellipsoid,
    Shape.CYLINDER: _enter_cylinder,
}

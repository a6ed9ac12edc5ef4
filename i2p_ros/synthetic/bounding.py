# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rectangles of a ray grid that contain all rays which may hit a solid, from the solid's bounding box."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from i2p_ros.synthetic.random_streams import picked, put
from i2p_ros.synthetic.ray_casting import NEAR, Rays, Rectangles
from i2p_ros.synthetic.solids import Shape, Solids

TILE, PART = 8, 256  # px, of tiles of a lens's image; solids whose tiles are found at a time
_SIGNS = [[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]
_EDGES = [(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)]
_SLACK = 1e-3  # rad, px: bound of rounding errors
_CONIC_SLACK = 0.05  # px: the same for conics, where nearly equal numbers are subtracted


def corners(solids: Solids) -> Tensor:
    """Corners (3, 8, M) of the bounding boxes in the frame of the world. Bits 2, 1, 0 of the index are x, y, z."""
    signs = torch.tensor(_SIGNS, dtype=torch.float32, device=solids.half.device).T * 2.0 - 1.0
    x, y, z = signs[:, :, None] * solids.half[:, None]
    c, s = solids.cos, solids.sin
    return torch.stack([c * x - s * y, s * x + c * y, z]) + solids.centre[:, None]


def camera_rectangles(
    solids: Solids, T_camera_world: Tensor, intrinsics: Tensor, width: int, height: int
) -> Rectangles:
    """Pixel rectangles of solids in cameras with poses (P, 3, 4) and intrinsics (P, 4) fx, fy, cx, cy.

    They bound the projection of the bounding box, clipped at the near plane.
    """
    T = T_camera_world[solids.place]
    points = torch.einsum("mij,jkm->ikm", T[:, :, :3], corners(solids)) + T[:, :, 3].T[:, None]
    first, second = torch.tensor(_EDGES, device=points.device).T
    a, b = points[:, first], points[:, second]
    share = (NEAR - a[2]) / (b[2] - a[2])
    points = torch.cat([points, a + share * (b - a)], dim=1)
    valid = torch.cat([points[2, :8] >= NEAR, (share > 0) & (share < 1)])
    fx, fy, cx, cy = intrinsics[solids.place].T
    u, v = (f * points[k] / points[2] + c for k, f, c in ((0, fx, cx), (1, fy, cy)))
    for k, f, c, value in ((0, fx, cx, u), (1, fy, cy, v)):
        _tighten(value, valid, solids, T, k, f, c)
    left, right = _bounds(u, valid, width)
    top, bottom = _bounds(v, valid, height)
    return _not_empty(Rectangles(torch.arange(len(solids), device=T.device), top, bottom, left, right))


def tile_rectangles(solids: Solids, rays: Rays, width: int, height: int) -> Rectangles:
    """Tiles of TILE x TILE px in which solids may be visible, one rectangle for each solid in each tile, for any lens.

    All rays of a tile lie in a cone about its middle ray. Within the distance to the farthest corner of a bounding box
    they are at most `reach` from the middle ray, so it hits the box with `reach` added on all sides if any of them hits
    the box.
    """
    middle, spread = _tiles(rays.directions, width, height)
    distance = torch.linalg.vector_norm(solids.centre - rays.origin[:, solids.place, 0], dim=0)
    farthest = distance + torch.linalg.vector_norm(solids.half, dim=0)
    solid, tile = [], []
    for part in torch.arange(len(solids), device=middle.device).split(PART):
        place = solids.place[part]
        reach = farthest[part, None] * spread[place] + _SLACK
        hit = _boxes_hit(solids, part, rays.origin[:, place, 0], middle[:, place], reach).nonzero()
        solid.append(part[hit[:, 0]])
        tile.append(hit[:, 1])
    across = -(-width // TILE)
    top, left = (TILE * torch.cat(tile).div(across, rounding_mode="floor"), TILE * (torch.cat(tile) % across))
    bottom, right = (top + TILE).clamp(max=height), (left + TILE).clamp(max=width)
    return Rectangles(torch.cat(solid), top, bottom, left, right)


def _tiles(directions: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Middle rays (3, P, T) of all tiles, row by row, and the sines (P, T) of the largest angles of rays to them."""
    grid = directions.unflatten(2, (height, width))
    grid = torch.nn.functional.pad(grid, (0, -width % TILE, 0, -height % TILE), mode="replicate")
    tiles = grid.unflatten(3, (-1, TILE)).unflatten(2, (-1, TILE)).movedim(3, 5).flatten(4).flatten(2, 3)
    middle = torch.nn.functional.normalize(tiles.mean(3), dim=0)
    return middle, torch.linalg.vector_norm(tiles - middle[..., None], dim=0).amax(-1)  # a chord is above its sine


def _boxes_hit(solids: Solids, part: Tensor, origin: Tensor, middle: Tensor, reach: Tensor) -> Tensor:
    """(m, T) whether rays from `origin` (3, m) along `middle` (3, m, T) may hit the bounding boxes of a part (m,) of
    the solids, with `reach` (m, T) added on all sides (slab test)."""
    c, s = solids.cos[part], solids.sin[part]
    x, y, z = origin - solids.centre[:, part]
    start = (c * x + s * y, c * y - s * x, z)
    dx, dy, dz = middle
    along = (c[:, None] * dx + s[:, None] * dy, c[:, None] * dy - s[:, None] * dx, dz)
    enter, leave = torch.zeros_like(dx), torch.full_like(dx, torch.inf)
    for o, d, half in zip(start, along, solids.half[:, part], strict=True):
        size, inverse = half[:, None] + reach, 1.0 / torch.where(d.abs() < 1e-9, 1e-9, d)
        near, far = (-o[:, None] - size) * inverse, (size - o[:, None]) * inverse
        enter, leave = torch.maximum(enter, torch.minimum(near, far)), torch.minimum(leave, torch.maximum(near, far))
    return enter <= leave


def _tighten(value: Tensor, valid: Tensor, solids: Solids, T: Tensor, k: int, f: Tensor, c: Tensor) -> None:
    """Clamps pixels `value` (20, M) of bounding boxes to the outlines of ellipsoids, in place.

    Outlines are conics. A plane n = (f, 0, c - u) through the camera touches an ellipsoid where
    (n centre)^2 = |n axes|^2 (Hartley & Zisserman, sec. 8.3). `k` is 0 for columns and 1 for rows, `f` and `c` (M,) are
    the focal length and the principal point.
    """
    m = ((solids.shape == Shape.ELLIPSOID) & valid[:8].all(0)).nonzero()[:, 0]
    cos, sin, half, T = picked(solids.cos, m), picked(solids.sin, m), picked(solids.half, m), T[m]
    centre = torch.einsum("mij,jm->im", T[:, :, :3], picked(solids.centre, m)) + T[:, :, 3].T
    axes = [
        torch.stack([T[:, row, 0] * cos + T[:, row, 1] * sin, T[:, row, 1] * cos - T[:, row, 0] * sin, T[:, row, 2]])
        for row in (k, 2)
    ]
    p, q = (a * half for a in axes)
    a = centre[2] ** 2 - (q * q).sum(0)
    b = centre[k] * centre[2] - (p * q).sum(0)
    root = torch.sqrt((b * b - a * (centre[k] ** 2 - (p * p).sum(0))).clamp_(min=0.0))
    low, high = (f[m] * (b + sign * root) / a + c[m] for sign in (-1.0, 1.0))
    low, high = low - _CONIC_SLACK, high + _CONIC_SLACK
    tight = picked(value, m)
    put(value, m, torch.where(a > 1e-3, torch.minimum(torch.maximum(tight, low), high), tight))


def parallel_rectangles(
    solids: Solids, project: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], size: int
) -> Rectangles:
    """Rectangles of a square grid of parallel rays.

    `project` takes points (3, 8, M) and the indices (M,) of their places, and returns columns and rows (8, M).
    """
    u, v = project(corners(solids), solids.place)
    valid = torch.ones_like(u, dtype=torch.bool)
    left, right = _bounds(u, valid, size)
    top, bottom = _bounds(v, valid, size)
    return _not_empty(Rectangles(torch.arange(len(solids), device=u.device), top, bottom, left, right))


def _bounds(value: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and end index (M,) of the integers between the least and the largest valid value (k, M), in 0..size."""
    low = torch.where(valid, value, torch.inf).amin(0)
    high = torch.where(valid, value, -torch.inf).amax(0)
    return (low - _SLACK).ceil().clamp(0, size).long(), ((high + _SLACK).floor() + 1).clamp(0, size).long()


def _not_empty(rectangles: Rectangles) -> Rectangles:
    return rectangles.selected((rectangles.bottom > rectangles.top) & (rectangles.right > rectangles.left))


def lidar_rectangles(
    solids: Solids, T_lidar_world: Tensor, elevations: Tensor, azimuth: Tensor, columns: Tensor, jitter: Tensor
) -> Rectangles:
    """Rectangles of beams and azimuth columns.

    `elevations` (P, B) are descending, padded with -pi. `azimuth` (2, P) are the first azimuth and the step. `columns`
    (P,) are the numbers of azimuths. `jitter` (2, P) is the largest offset of rays from the grid in elevation and
    azimuth. All angles are in rad.
    """
    place = solids.place
    T = T_lidar_world[place]
    points = torch.einsum("mij,jkm->ikm", T[:, :, :3], corners(solids)) + T[:, :, 3].T[:, None]
    low, high, middle, half = _angles(points)
    beams = elevations.shape[1]
    table = (10.0 * torch.arange(len(elevations), device=T.device)[:, None] - elevations.double()).flatten()
    slack = jitter[0, place] + _SLACK
    top = torch.searchsorted(table, 10.0 * place - (high + slack).double()) - place * beams
    bottom = torch.searchsorted(table, 10.0 * place - (low - slack).double(), right=True) - place * beams
    first, step = azimuth[:, place]
    half = (half + jitter[1, place] + _SLACK).clamp(max=math.pi)
    begin = torch.remainder(middle - half - first, 2.0 * math.pi)  # relative to the first column
    left, end = (begin / step).ceil().long(), ((begin + 2.0 * half) / step).floor().long() + 1
    rectangles = Rectangles(
        torch.arange(len(solids), device=T.device), top.clamp(0, beams), bottom.clamp(0, beams), left, end
    )
    return _wrapped(rectangles, columns[place], (2.0 * math.pi / step).round().long())


def _angles(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Least and largest elevation, and middle and half width of the azimuths, of boxes with corners (3, 8, M).

    Each is (M,), in rad.
    """
    x, y, z = points
    azimuth = torch.atan2(y, x)
    middle = torch.atan2(y.mean(0), x.mean(0))
    turn = torch.remainder(azimuth - middle + math.pi, 2.0 * math.pi) - math.pi
    least, most = turn.amin(0), turn.amax(0)
    around = most - least > math.pi * 0.9  # the box may contain the vertical axis
    nearest, farthest = _horizontal_range(x, y, around), torch.hypot(x, y).amax(0)
    low, high = z.amin(0), z.amax(0)
    low = torch.atan2(low, torch.where(low < 0, nearest, farthest))
    high = torch.atan2(high, torch.where(high > 0, nearest, farthest))
    half = torch.where(around, math.pi, 0.5 * (most - least))
    return low, high, torch.where(around, 0.0, middle + 0.5 * (least + most)), half


def _horizontal_range(x: Tensor, y: Tensor, around: Tensor) -> Tensor:
    """Lower bound (M,) of the horizontal distance of boxes from the axis: that of lines between their corners, m."""
    first, second = torch.tensor([(a, b) for a in range(8) for b in range(a)], device=x.device).T
    ax, ay, bx, by = x[first], y[first], x[second] - x[first], y[second] - y[first]
    share = (-(ax * bx + ay * by) / (bx * bx + by * by).clamp(min=1e-9)).clamp_(0.0, 1.0)
    return torch.where(around, 1e-3, torch.hypot(ax + share * bx, ay + share * by).amin(0))


def _wrapped(rectangles: Rectangles, columns: Tensor, turn: Tensor) -> Rectangles:
    """Rectangles within the columns. One that passes the end of a full turn is continued at the first column."""
    zero = torch.zeros_like(columns)
    after = Rectangles(
        rectangles.solid, rectangles.top, rectangles.bottom, zero, torch.minimum(rectangles.right - turn, columns)
    )
    before = Rectangles(
        rectangles.solid, rectangles.top, rectangles.bottom, rectangles.left, torch.minimum(rectangles.right, columns)
    )
    both = zip(
        (before.solid, before.top, before.bottom, before.left, before.right),
        (after.solid, after.top, after.bottom, after.left, after.right),
        strict=True,
    )
    return _not_empty(Rectangles(*(torch.cat(two) for two in both)))

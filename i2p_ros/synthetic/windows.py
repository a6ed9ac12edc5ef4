# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which part of a ray grid may hit each solid: rectangles that hold the solids' bounding boxes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from i2p_ros.synthetic.casting import NEAR, Windows
from i2p_ros.synthetic.dice import picked, put
from i2p_ros.synthetic.solids import Shape, Solids

_SIGNS = [[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]
_EDGES = [(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)]
_SLACK = 1e-3  # rad, px: rounding
_FAR_SLACK = 0.05  # px: that of conics, where nearly equal numbers are subtracted


def corners(solids: Solids) -> Tensor:
    """(3, 8, M) corners of the bounding boxes in the frame of the world; bits 2, 1, 0 of the index are x, y, z."""
    signs = torch.tensor(_SIGNS, dtype=torch.float32, device=solids.half.device).T * 2.0 - 1.0
    x, y, z = signs[:, :, None] * solids.half[:, None]
    c, s = solids.cos, solids.sin
    return torch.stack([c * x - s * y, s * x + c * y, z]) + solids.centre[:, None]


def camera_windows(solids: Solids, T_camera_world: Tensor, intrinsics: Tensor, width: int, height: int) -> Windows:
    """Pixel rectangles: bounding boxes, cut at the near plane, seen by cameras (P, 4) fx, fy, cx, cy at (P, 3, 4)."""
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
    return _present(Windows(torch.arange(len(solids), device=T.device), top, bottom, left, right))


def _tighten(value: Tensor, valid: Tensor, solids: Solids, T: Tensor, k: int, f: Tensor, c: Tensor) -> None:
    """Pixels `value` (20, M) of bounding boxes' corners, kept within those of ellipsoids, whose outlines are conics:
    planes (f, 0, c - u) through the camera touch them where (n centre)^2 = |n axes|^2 (Hartley and Zisserman 8.3)."""
    m = ((solids.shape == Shape.BALL) & valid[:8].all(0)).nonzero()[:, 0]
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
    low, high = low - _FAR_SLACK, high + _FAR_SLACK
    tight = picked(value, m)
    put(value, m, torch.where(a > 1e-3, torch.minimum(torch.maximum(tight, low), high), tight))


def parallel_windows(solids: Solids, project: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], size: int) -> Windows:
    """Rectangles of a square grid: `project` takes points (3, 8, M) and their places to columns and rows (8, M)."""
    u, v = project(corners(solids), solids.place)
    valid = torch.ones_like(u, dtype=torch.bool)
    left, right = _bounds(u, valid, size)
    top, bottom = _bounds(v, valid, size)
    return _present(Windows(torch.arange(len(solids), device=u.device), top, bottom, left, right))


def _bounds(value: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First and end index of the whole numbers between least and largest valid value (k, M), within 0..size."""
    low = torch.where(valid, value, torch.inf).amin(0)
    high = torch.where(valid, value, -torch.inf).amax(0)
    return (low - _SLACK).ceil().clamp(0, size).long(), ((high + _SLACK).floor() + 1).clamp(0, size).long()


def _present(windows: Windows) -> Windows:
    return windows.selected((windows.bottom > windows.top) & (windows.right > windows.left))


def lidar_windows(
    solids: Solids, T_lidar_world: Tensor, elevations: Tensor, azimuth: Tensor, columns: Tensor, jitter: Tensor
) -> Windows:
    """Ranges of beams and of azimuth columns.

    Elevations (P, B) fall, in rad, padded at -pi; `azimuth` (2, P): of the first column and the step, rad; `columns`
    (P,) many; `jitter` (2, P): how far rays leave the grid in elevation and azimuth, rad.
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
    begin = torch.remainder(middle - half - first, 2.0 * math.pi)  # of columns that start at angle 0
    left, end = (begin / step).ceil().long(), ((begin + 2.0 * half) / step).floor().long() + 1
    windows = Windows(
        torch.arange(len(solids), device=T.device), top.clamp(0, beams), bottom.clamp(0, beams), left, end
    )
    return _wrapped(windows, columns[place], (2.0 * math.pi / step).round().long())


def _angles(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(M,) least and largest elevation, middle and half width of the azimuths, of boxes with corners (3, 8, M)."""
    x, y, z = points
    azimuth = torch.atan2(y, x)
    middle = torch.atan2(y.mean(0), x.mean(0))
    turn = torch.remainder(azimuth - middle + math.pi, 2.0 * math.pi) - math.pi
    least, most = turn.amin(0), turn.amax(0)
    around = most - least > math.pi * 0.9  # the box may hold the axis
    nearest, farthest = _horizontal_range(x, y, around), torch.hypot(x, y).amax(0)
    low, high = z.amin(0), z.amax(0)
    low = torch.atan2(low, torch.where(low < 0, nearest, farthest))
    high = torch.atan2(high, torch.where(high > 0, nearest, farthest))
    half = torch.where(around, math.pi, 0.5 * (most - least))
    return low, high, torch.where(around, 0.0, middle + 0.5 * (least + most)), half


def _horizontal_range(x: Tensor, y: Tensor, around: Tensor) -> Tensor:
    """(M,) a lower bound of the distance of boxes from the axis: that of lines through pairs of their corners."""
    first, second = torch.tensor([(a, b) for a in range(8) for b in range(a)], device=x.device).T
    ax, ay, bx, by = x[first], y[first], x[second] - x[first], y[second] - y[first]
    share = (-(ax * bx + ay * by) / (bx * bx + by * by).clamp(min=1e-9)).clamp_(0.0, 1.0)
    return torch.where(around, 1e-3, torch.hypot(ax + share * bx, ay + share * by).amin(0))


def _wrapped(windows: Windows, columns: Tensor, turn: Tensor) -> Windows:
    """Windows that run past a full turn are continued from the first column; sensors may have less than a turn."""
    zero = torch.zeros_like(columns)
    after = Windows(windows.solid, windows.top, windows.bottom, zero, torch.minimum(windows.right - turn, columns))
    before = Windows(windows.solid, windows.top, windows.bottom, windows.left, torch.minimum(windows.right, columns))
    both = zip(
        (before.solid, before.top, before.bottom, before.left, before.right),
        (after.solid, after.top, after.bottom, after.left, after.right),
        strict=True,
    )
    return _present(Windows(*(torch.cat(two) for two in both)))

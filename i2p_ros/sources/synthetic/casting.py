# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rays against solids. Each solid is tested only inside its window of the ray grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.sources.synthetic.solids import ROUND, Floats, Solids

GROUND, SKY = -1, -2
NEAR = 0.1  # m; nothing nearer is hit
FAR_GROUND = 500.0  # m; the ground ends here
EDGES = np.array([(a, b) for a in range(8) for b in range(a) if (a ^ b) in (1, 2, 4)])

Windows = NDArray[np.int64]  # (M, 5): solid, first row, end row, first column, end column


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """A grid of rays: `origin` (3,) in the world and unit `directions` (3, R, C) float32 along world axes."""

    origin: Array
    directions: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """`distance` (R, C) in m, infinite for the sky; `solid` (R, C) its number, GROUND or SKY."""

    distance: Floats
    solid: NDArray[np.int32]


def cast(rays: Rays, solids: Solids, windows: Windows) -> Hits:
    """The first thing that each ray meets."""
    hits = _cast_ground(rays)
    offset = solids.to_local(rays.origin) / solids.half
    c, s = solids.cos_sin
    zero = np.zeros_like(c)
    to_unit = np.stack([c, s, zero, -s, c, zero, zero, zero, zero + 1], 1).reshape(-1, 3, 3) / solids.half[:, :, None]
    offset, to_unit = offset.astype(np.float32), to_unit.astype(np.float32)
    is_round = np.isin(solids.material, ROUND)
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, top, bottom, left, right in windows.tolist():
            directions = rays.directions[:, top:bottom, left:right]
            local = to_unit[k] @ directions.reshape(3, -1)
            enter = (_enter_sphere if is_round[k] else _enter_cube)(offset[k], local).reshape(directions.shape[1:])
            distance, solid = hits.distance[top:bottom, left:right], hits.solid[top:bottom, left:right]
            nearer = (enter > NEAR) & (enter < distance)
            np.copyto(distance, enter, where=nearer)
            np.copyto(solid, k, where=nearer)
    return hits


def _cast_ground(rays: Rays) -> Hits:
    down = rays.directions[2]
    with np.errstate(divide="ignore"):
        distance = np.float32(-rays.origin[2]) / down
    sky = (down >= 0) | (distance > FAR_GROUND)
    return Hits(
        np.where(sky, np.float32(np.inf), distance), np.where(sky, np.int32(SKY), np.int32(GROUND)).astype(np.int32)
    )


def _enter_cube(origin: Floats, directions: Floats) -> Floats:
    """(n,) where rays (3, n) enter the cube of half size 1, infinite where they miss it (slab test, Kay 1986)."""
    inverse = 1.0 / directions
    middle = inverse * -origin[:, None]
    np.abs(inverse, out=inverse)
    enter, leave = middle - inverse, middle + inverse
    first = np.maximum(np.maximum(enter[0], enter[1]), enter[2])
    last = np.minimum(np.minimum(leave[0], leave[1]), leave[2])
    first[~(first < last)] = np.inf
    return first


def _enter_sphere(origin: Floats, directions: Floats) -> Floats:
    """(n,) where rays (3, n) enter the unit sphere; NaN where they miss it."""
    a = np.einsum("in,in->n", directions, directions)
    b = origin @ directions
    root: Floats = (-b - np.sqrt(b * b - a * (origin @ origin - 1.0))) / a
    return root


def camera_windows(solids: Solids, T_camera_world: Pose, camera: Camera) -> Windows:
    """Pixel rectangles that hold the bounding boxes, cut at the near plane."""
    corners = T_camera_world.apply(solids.corners().reshape(-1, 3)).reshape(-1, 8, 3)
    a, b = corners[:, EDGES[:, 0]], corners[:, EDGES[:, 1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (NEAR - a[..., 2]) / (b[..., 2] - a[..., 2])
        cut = a + share[..., None] * (b - a)
        points = np.concatenate([corners, cut], axis=1)
        valid = np.concatenate([corners[..., 2] >= NEAR, (share > 0) & (share < 1)], axis=1)
        u = camera.fx * points[..., 0] / points[..., 2] + camera.cx
        v = camera.fy * points[..., 1] / points[..., 2] + camera.cy
    left, right = _bounds(u, valid, camera.width)
    top, bottom = _bounds(v, valid, camera.height)
    windows = np.stack([np.arange(len(solids)), top, bottom, left, right], axis=1)
    return windows[(bottom > top) & (right > left)]


def _bounds(value: Array, valid: NDArray[np.bool_], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and end index of the whole numbers between least and largest valid value, within 0..size."""
    low = np.where(valid, value, np.inf).min(axis=1)
    high = np.where(valid, value, -np.inf).max(axis=1)
    return np.clip(np.ceil(low), 0, size).astype(np.int64), np.clip(np.floor(high) + 1, 0, size).astype(np.int64)


def lidar_windows(solids: Solids, T_world_lidar: Pose, elevations: Array, azimuths: Array) -> Windows:
    """Ranges of beams (elevations fall, rad) and of columns (azimuths rise evenly through a full turn, rad).

    Computed for an upright sensor and widened by its tilt: a tilt moves a direction by no more than itself.
    """
    rotation, origin = T_world_lidar.rotation, T_world_lidar.translation
    tilt = float(np.arccos(np.clip(rotation[2, 2], -1.0, 1.0))) + 1e-4
    low, high = _elevation_range(solids, origin)
    top = np.searchsorted(-elevations, -(high + tilt))
    bottom = np.searchsorted(-elevations, -(low - tilt), side="right")
    middle, half = _azimuth_range(solids, origin)
    step = 2.0 * np.pi / len(azimuths)
    middle = middle - float(np.arctan2(rotation[1, 0], rotation[0, 0]))
    left = np.ceil((middle - half - tilt - azimuths[0]) / step).astype(np.int64)
    width = np.minimum(np.floor(2.0 * (half + tilt) / step).astype(np.int64) + 1, len(azimuths))
    start = left % len(azimuths)
    windows = np.stack([np.arange(len(solids)), top, bottom, start, start + width], axis=1)
    return _wrapped(windows[bottom > top], len(azimuths))


def _elevation_range(solids: Solids, origin: Array) -> tuple[Array, Array]:
    """(N,) least and largest elevation of the bounding boxes from the origin, rad."""
    local = solids.to_local(origin)
    nearest = np.hypot(*np.maximum(np.abs(local[:, :2]) - solids.half[:, :2], 0.0).T)
    farthest = np.hypot(*(np.abs(local[:, :2]) + solids.half[:, :2]).T)
    low, high = -solids.half[:, 2] - local[:, 2], solids.half[:, 2] - local[:, 2]
    return (
        np.arctan2(low, np.where(low < 0, nearest, farthest)),
        np.arctan2(high, np.where(high > 0, nearest, farthest)),
    )


def _azimuth_range(solids: Solids, origin: Array) -> tuple[Array, Array]:
    """(N,) middle and half width of the azimuths of the bounding boxes, rad; a half turn where the origin is inside."""
    corners = solids.corners()[:, ::2, :2] - origin[:2]  # the four of the footprint
    towards = solids.centre[:, :2] - origin[:2]
    middle = np.arctan2(towards[:, 1], towards[:, 0])
    turn = np.arctan2(corners[..., 1], corners[..., 0]) - middle[:, None]
    turn = (turn + np.pi) % (2.0 * np.pi) - np.pi
    low, high = turn.min(axis=1), turn.max(axis=1)
    inside = (np.abs(solids.to_local(origin)[:, :2]) <= solids.half[:, :2] + 0.05).all(axis=1)
    return np.where(inside, 0.0, middle + (low + high) / 2), np.where(inside, np.pi, (high - low) / 2)


def _wrapped(windows: Windows, columns: int) -> Windows:
    """Windows that run past the last column are continued from the first one."""
    over = windows[windows[:, 4] > columns]
    rest = np.column_stack([over[:, :3], np.zeros(len(over), np.int64), over[:, 4] - columns])
    return np.concatenate([np.column_stack([windows[:, :4], np.minimum(windows[:, 4], columns)]), rest])

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panorama of a cloud as an array: those of VP2P are beside it, in the cloud's own frame.

It is drawn from the given cloud, seen from the origin of the input frame. In a first pass this is where the camera may
be: the middle of the cloud, at the height of a camera. Near a guess it is the guessed camera. Features do not depend on
the yaw of that frame, so a turned cloud has turned columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.types import PointCloud
from i2p_ros.families.branches.inputs import Floats
from i2p_ros.networks.base import Arrays
from i2p_ros.networks.cylinder import COLUMNS, HIGH, LOG_RANGE, LOW

PANORAMA_CHANNELS = 8  # is there a point, range, height, intensity; normal forward, left, up; elevation of the row
EYE_M = 1.7  # above the ground
NEAREST = 1.0  # m; nearer points are of the vehicle
HEIGHT = 3.0  # m, unit of heights
_LEFT = 5  # channel of the normal that changes its sign in a mirror


def panorama(cloud: PointCloud, rows: int) -> Floats:
    """(8, rows, 360) of a cloud in the input frame, in random order. Of the points in a cell the nearest wins."""
    cell, reach = _cells(cloud.xyz, rows)
    far_first = np.argsort(-reach, kind="stable")
    far_first = far_first[cell[far_first] >= 0]
    winner = np.full(rows * COLUMNS, -1)
    winner[cell[far_first]] = far_first  # of equal cells the last one stays
    there = winner >= 0
    xyz = np.where(there[:, None], _in_columns(cloud.xyz[winner], rows), 0.0)
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0, 1)
    out = np.zeros((PANORAMA_CHANNELS, rows * COLUMNS), np.float32)
    out[0] = there
    out[1] = np.where(there, np.log(np.maximum(reach[winner], NEAREST)) / LOG_RANGE, 0.0)
    out[2] = xyz[:, 2] / HEIGHT
    out[3] = np.where(there, intensity[winner], 0.0)
    out[4:7] = _normals(xyz.reshape(rows, COLUMNS, 3), there.reshape(rows, COLUMNS)).reshape(-1, 3).T
    out[7] = np.repeat(np.linspace(1.0, -1.0, rows), COLUMNS)
    return out.reshape(PANORAMA_CHANNELS, rows, COLUMNS)


def mirrored_panorama(given: Floats) -> Floats:
    """The panorama of the mirrored cloud: azimuths and normals swap left and right."""
    mirrored = np.ascontiguousarray(given[:, :, ::-1])
    mirrored[_LEFT] *= -1.0
    return mirrored


def mirrored_camera(shared: Arrays) -> Floats:
    """The `camera` of the mirrored `image`."""
    fx, fy, cx, cy = shared["camera"]
    return np.array([fx, fy, shared["image"].shape[2] - 1 - cx, cy], np.float32)


def _cells(xyz: Floats, rows: int) -> tuple[NDArray[np.int64], Floats]:
    """(N,) the cell of each point, or -1 where it has none, and its range in m."""
    x, y, z = xyz.T
    flat = np.hypot(x, y)
    reach = np.hypot(flat, z)
    column = np.floor(np.arctan2(y, x) * np.float32(COLUMNS / (2.0 * np.pi))).astype(np.int64) % COLUMNS
    row = np.floor((HIGH - np.arctan2(z, flat)) * np.float32(rows / (HIGH - LOW))).astype(np.int64)
    seen = (row >= 0) & (row < rows) & (flat > NEAREST)
    return np.where(seen, row * COLUMNS + column, -1), reach


def _in_columns(xyz: Floats, rows: int) -> Floats:
    """Points of all cells (rows * 360, 3) along the axes of their columns: outward, left, up."""
    azimuth = np.tile((np.arange(COLUMNS, dtype=np.float32) + 0.5) * np.float32(2.0 * np.pi / COLUMNS), rows)
    cos, sin = np.cos(azimuth), np.sin(azimuth)
    return np.stack([cos * xyz[:, 0] + sin * xyz[:, 1], cos * xyz[:, 1] - sin * xyz[:, 0], xyz[:, 2]], axis=1)


def _normals(xyz: Floats, there: NDArray[np.bool_]) -> Floats:
    """(rows, 360, 3) unit normals towards the eye, from the cells beside, above and below; 0 where one is empty.

    `xyz` (rows, 360, 3) are along the axes of each column. The columns beside are a step away, so they are turned.
    """
    step = 2.0 * np.pi / COLUMNS
    across = _turned(np.roll(xyz, -1, 1), step) - _turned(np.roll(xyz, 1, 1), -step)
    along = np.roll(xyz, 1, 0) - np.roll(xyz, -1, 0)
    normal = np.cross(across, along)
    length = np.linalg.norm(normal, axis=2)
    whole = there & np.roll(there, 1, 1) & np.roll(there, -1, 1) & np.roll(there, 1, 0) & np.roll(there, -1, 0)
    whole[[0, -1]] = False
    sign = np.where((normal * xyz).sum(2) > 0.0, -1.0, 1.0)
    scale = np.where(whole & (length > 0.0), sign / np.maximum(length, 1e-9), 0.0)
    return np.asarray(normal * scale[:, :, None], np.float32)


def _turned(xyz: Floats, radians: float) -> Floats:
    """Points (..., 3) turned to the left."""
    cos, sin = np.float32(np.cos(radians)), np.float32(np.sin(radians))
    x, y, z = np.moveaxis(xyz, -1, 0)
    return np.stack([cos * x - sin * y, sin * x + cos * y, z], -1)

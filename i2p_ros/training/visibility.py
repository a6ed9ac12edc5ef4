# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which points an image shows: those that project into it and that nothing hides, by the depths of the cloud itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose

CELL = 4.0  # px of the camera: cells in which the nearest point hides others
SLACK = 0.1, 0.05  # m, and share of its depth, by which a point may be behind the nearest one of its cell


def shown(
    points: Array, T_camera_points: Pose, cloud: NDArray[np.float32], T_camera_cloud: Pose, camera: Camera
) -> NDArray[np.bool_]:
    """(N,) whether a camera shows each of points (N, 3). Points (P, 3) of a `cloud` hide those behind them.

    A depth image is not needed.
    """
    in_camera, hiding = T_camera_points.apply(points), T_camera_cloud.apply(cloud)
    (uv, found), (of_cloud, seen) = (camera.project(x) for x in (in_camera, hiding))
    columns = int(camera.width // CELL) + 1
    nearest = np.full(columns * (int(camera.height // CELL) + 1), np.inf)
    np.minimum.at(nearest, _cells(of_cloud[seen], columns), hiding[seen, 2])
    limit = nearest[_cells(uv[found], columns)]
    found[found] = in_camera[found, 2] <= limit * (1.0 + SLACK[1]) + SLACK[0]
    return found


def _cells(uv: Array, columns: int) -> NDArray[np.int64]:
    x, y = np.floor((uv + 0.5) / CELL).astype(np.int64).T
    return np.asarray(y * columns + x)

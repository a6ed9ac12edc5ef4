# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the covariance of a pose means: 95 % ellipses of the camera's position in m, and of projected points in px."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.consistency import ellipsoid_radius
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair, PoseEstimate
from i2p_ros.viz.overlays import depths

STEPS = np.repeat([1e-4, 1e-5], 3)  # m, rad: of the numerical derivative of a projection


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """A confidence ellipse or ellipsoid about zero.

    `half_axes` (D,) are half the lengths of its axes, the largest first, and the columns of `axes` (D, D) are their
    directions. `axes` is a rotation.
    """

    half_axes: Array
    axes: Array

    @property
    def angle_deg(self) -> float:
        """Of an ellipse: the direction of the larger axis from the first coordinate towards the second, deg."""
        return float(np.degrees(np.arctan2(self.axes[1, 0], self.axes[0, 0])))


def ellipsoid(covariance: Array, degrees_of_freedom: float = np.inf) -> Ellipsoid:
    """The 95 % ellipse or ellipsoid of an error whose covariance (2, 2) or (3, 3) is part of that of a pose.

    `degrees_of_freedom` are those of the pose's error, as in `PoseEstimate`.
    """
    values, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1] * [*np.ones(len(values) - 1), np.linalg.det(vectors[:, ::-1])]
    radius = ellipsoid_radius(len(values), degrees_of_freedom)
    return Ellipsoid(radius * np.sqrt(np.maximum(values[::-1], 0.0)), np.asarray(axes))


def position_covariance(T_camera_lidar: Pose, covariance: Array) -> Array:
    """Covariance (3, 3) of the camera's position, m^2 along the axes of the lidar, from that of T_camera_lidar."""
    j = T_camera_lidar.inverse_jacobian[:3]
    return np.asarray(j @ covariance @ j.T)


def pixel_covariances(camera: Camera, T_camera_lidar: Pose, covariance: Array, points: Array) -> Array:
    """Covariances (N, 2, 2) in px^2 of the projections of points (N, 3), m in the lidar frame.

    They are those of the pose alone, by first-order propagation. A point that the camera does not see has NaN.
    """
    columns = []
    for k, step in enumerate(STEPS):
        delta = step * np.eye(6)[k]
        ahead, behind = (camera.project(T_camera_lidar.retract(d).apply(points))[0] for d in (delta, -delta))
        columns.append((ahead - behind) / (2.0 * step))
    j = np.stack(columns, axis=2)
    return np.asarray(j @ covariance @ j.transpose(0, 2, 1))


@dataclass(frozen=True, slots=True, eq=False)
class PoseErrors:
    """The 95 % ellipses of a found or withheld pose.

    `position` is that of the camera from above, m along x and y of the lidar frame. `in_image` are those of some points
    spread over the image, px, at the `pixels` (K, 2) where they project, and at the `depths` (K,), m.
    """

    position: Ellipsoid
    pixels: Array
    depths: Array
    in_image: tuple[Ellipsoid, ...]


def pose_errors(pair: Pair, estimate: PoseEstimate) -> PoseErrors | None:
    """The ellipses of an estimate; none where it has no pose or no finite covariance."""
    pose, covariance, nu = estimate.pose or estimate.withheld, estimate.covariance, estimate.degrees_of_freedom
    if pose is None or covariance is None or not np.isfinite(covariance).all():
        return None
    in_camera = pose.apply(pair.cloud.xyz)
    pixels, inside = pair.camera.project(in_camera)
    seen = np.flatnonzero(inside)
    seen = seen[_spread(pixels[seen], pair.camera)]
    covariances = pixel_covariances(pair.camera, pose, covariance, np.asarray(pair.cloud.xyz[seen], np.float64))
    sound = np.isfinite(covariances).all(axis=(1, 2))  # not at the border of the view of a lens
    seen = seen[sound]
    return PoseErrors(
        ellipsoid(position_covariance(pose, covariance)[:2, :2], nu),
        pixels[seen],
        depths(pair.camera, in_camera[seen]),
        tuple(ellipsoid(one, nu) for one in covariances[sound]),
    )


def _spread(pixels: Array, camera: Camera, columns: int = 4, rows: int = 2) -> list[int]:
    """Indices of pixels (N, 2) near the centres of the cells of a grid over the image, one for each cell with any."""
    size = np.array([camera.width / columns, camera.height / rows])
    chosen = []
    for cell in np.ndindex(columns, rows):
        apart = np.abs(pixels - (np.array(cell) + 0.5) * size) / size
        inside = np.flatnonzero((apart <= 0.5).all(axis=1))
        if len(inside):
            chosen.append(int(inside[np.argmin((apart[inside] ** 2).sum(axis=1))]))
    return chosen

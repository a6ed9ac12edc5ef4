# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the lidar of a cloud stood. A camera of the same vehicle is near it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Array, Pose, skew

DEGREES_OF_FREEDOM = 3.0  # of the distance: some cameras are far from their lidar


def log_place(place: LidarPlace | None, pose: Pose) -> float:
    """Log density of the camera's place at a pose T_camera_lidar, 0 where that of the lidar is not known."""
    return place.log_density(pose) if place else 0.0


@dataclass(frozen=True, eq=False)
class LidarPlace:
    """A lidar is at `position` (3,) of its cloud's frame, m. The offset of the camera has a Student-t distribution of
    three dimensions, whose width is `std_m`."""

    position: Array
    std_m: float

    def log_densities(self, origin: Array, rotations: Array, translations: Array) -> Array:
        """(K,) log density of K poses, relative to the largest.

        A pose takes a point p of the lidar frame to `rotations[k] @ (p - origin) + translations[k]`.
        """
        offsets = translations + rotations @ (self.position - origin)  # of the lidar from the camera, camera axes
        squared = np.einsum("ki,ki->k", offsets, offsets) / self.std_m**2
        return np.asarray(-0.5 * (DEGREES_OF_FREEDOM + 3.0) * np.log1p(squared / DEGREES_OF_FREEDOM))

    def log_density(self, pose: Pose) -> float:
        """Log density of one pose T_camera_lidar, as `log_densities`."""
        return float(self.log_densities(np.zeros(3), pose.rotation[None], pose.translation[None])[0])

    def product(self, pose: Pose, spread: Array) -> tuple[Pose, Array]:
        """Mean and covariance (6, 6) of the product with a Gaussian about T_camera_lidar `pose`. Its covariance
        `spread` (6, 6) is of the delta about the camera, along camera axes.

        The Student-t distribution counts as the Gaussian that has the same slope at the pose.
        """
        offset = pose.apply(self.position[None])[0]
        squared = float(offset @ offset) / self.std_m**2
        variance = self.std_m**2 * (DEGREES_OF_FREEDOM + squared) / (DEGREES_OF_FREEDOM + 3.0)
        moved = np.hstack([np.eye(3), -skew(offset)])  # derivative of the offset by the delta
        gain = spread @ moved.T @ np.linalg.inv(moved @ spread @ moved.T + variance * np.eye(3))
        narrowed = spread - gain @ moved @ spread
        return Pose.identity().retract(-gain @ offset) @ pose, np.asarray(0.5 * (narrowed + narrowed.T))

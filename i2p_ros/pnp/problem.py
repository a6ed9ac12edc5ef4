# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Usable matches in the form that the solver takes, and the error for a missing pose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import MIN_DEPTH, Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.errors import I2PError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Correspondences, Status
from i2p_ros.pnp.refine import residuals

Mask = NDArray[np.bool_]
MAX_TANGENT = 20.0  # of a ray's angle to the optical axis, 87 deg: the pinhole model has no wider rays


class NoPoseError(I2PError):
    """There is no pose. `status` names the kind of failure."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Problem:
    """Usable matches in a camera without distortion.

    `uv` (M, 2) are px from the principal point. `points` (M, 3) are m in the frame `map`, which has the axes of the
    lidar frame and its origin at `origin` (3,). `weights` (M,) are at most 1, `focal` (2,) is in px. A match is an
    inlier within `gate` px.
    """

    uv: Array
    points: Array
    weights: Array
    focal: Array
    origin: Array
    gate: float

    def moved(self, step: Array) -> Problem:
        """The same problem with its origin moved by `step` (3,), m."""
        return replace(self, points=self.points - step, origin=self.origin + step)

    def selected(self, mask: Mask) -> Problem:
        """The same problem with the matches of a mask."""
        return replace(self, uv=self.uv[mask], points=self.points[mask], weights=self.weights[mask])

    def distances(self, pose: Pose) -> tuple[Array, Mask]:
        """Distances (M,) of pixels from projections under T_camera_map, px, and which points are in front."""
        r, depth = residuals(pose, self.uv, self.points, self.focal)
        return np.hypot(r[:, 0], r[:, 1]), depth > MIN_DEPTH

    def agreeing(self, pose: Pose) -> tuple[Array, Mask]:
        """Distances (M,) of pixels from projections under T_camera_map, px, and which matches are inliers."""
        distance, in_front = self.distances(pose)
        return distance, (distance <= self.gate) & in_front

    def in_lidar(self, T_camera_map: Pose) -> Pose:
        """T_camera_lidar of T_camera_map."""
        return T_camera_map @ Pose(np.eye(3), -self.origin)

    def in_map(self, T_camera_lidar: Pose) -> Pose:
        """T_camera_map of T_camera_lidar."""
        return T_camera_lidar @ Pose(np.eye(3), self.origin)


def usable_matches(matches: Correspondences, camera: Camera, settings: PnpSettings) -> Mask:
    """Mask (M,) of matches with a positive weight and a ray in the pinhole model.

    Raises NoPoseError where numbers are not finite, or fewer than `pnp.min_matches` matches are usable.
    """
    for name in ("pixels", "points", "weights"):
        if not np.isfinite(getattr(matches, name)).all():
            raise NoPoseError(Status.NONFINITE, f"the {name} of the matches hold NaN or infinity")
    usable: Mask = (matches.weights > 0) & (np.abs(camera.unproject(matches.pixels)) < MAX_TANGENT).all(axis=1)
    if usable.sum() < settings.min_matches:
        count = f"{usable.sum()} usable matches of {len(matches)}"
        raise NoPoseError(
            Status.TOO_FEW_MATCHES, f"{count}; at least {settings.min_matches} are needed (pnp.min_matches)"
        )
    return usable


def problem_of(matches: Correspondences, camera: Camera, threshold_deg: float) -> Problem:
    """Problem of usable matches: pixels undistorted, weights scaled to at most 1, the origin at the points' median.

    Large coordinates would lose digits.
    """
    focal = np.array([camera.fx, camera.fy])
    gate = float(np.sqrt(focal.prod()) * np.tan(np.radians(threshold_deg)))
    uv, weights = camera.unproject(matches.pixels) * focal, matches.weights / matches.weights.max()
    origin = np.median(matches.points, axis=0)
    return Problem(uv, matches.points - origin, weights, focal, origin, gate)


def centred(problem: Problem, T_camera_map: Pose) -> tuple[Problem, Pose]:
    """Problem and pose with the origin at the camera, where translation and rotation are least correlated."""
    centre = T_camera_map.inverse().translation
    return problem.moved(centre), Pose(T_camera_map.rotation, np.zeros(3))

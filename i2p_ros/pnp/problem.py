# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches made ready for a solver, and the ways to have no pose."""

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
MAX_TANGENT = 20.0  # rays within 87 deg of the axis: a pinhole holds no wider ones


class NoPoseError(I2PError):
    """There is no pose, by which name and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Problem:
    """Usable matches in a camera without lens: `uv` (M, 2) px from the principal point, `points` (M, 3) m about
    `origin` (3,) of the lidar frame, `weights` (M,), `focal` (2,) px, and the agreement `gate` (px)."""

    uv: Array
    points: Array
    weights: Array
    focal: Array
    origin: Array
    gate: float

    def moved(self, step: Array) -> Problem:
        """The same problem with its origin moved by step (m)."""
        return replace(self, points=self.points - step, origin=self.origin + step)

    def selected(self, mask: Mask) -> Problem:
        """The same problem with some of the matches."""
        return replace(self, uv=self.uv[mask], points=self.points[mask], weights=self.weights[mask])

    def distances(self, pose: Pose) -> tuple[Array, Mask]:
        """(M,) px between pixel and projection, and whether the point lies in front of the camera."""
        r, depth = residuals(pose, self.uv, self.points, self.focal)
        return np.hypot(r[:, 0], r[:, 1]), depth > MIN_DEPTH

    def agreeing(self, pose: Pose) -> tuple[Array, Mask]:
        """Distances (M,) of the matches under T_camera_map `pose`, px, and which of them agree with it."""
        distance, in_front = self.distances(pose)
        return distance, (distance <= self.gate) & in_front

    def in_lidar(self, T_camera_map: Pose) -> Pose:
        """T_camera_lidar."""
        return T_camera_map @ Pose(np.eye(3), -self.origin)

    def in_map(self, T_camera_lidar: Pose) -> Pose:
        """T_camera_map."""
        return T_camera_lidar @ Pose(np.eye(3), self.origin)


def usable_matches(matches: Correspondences, camera: Camera, settings: PnpSettings) -> Mask:
    """(M,) matches with a positive weight and a ray through the lens."""
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
    """The lens taken out, weights up to 1, the origin among the points: large map coordinates would cost digits."""
    focal = np.array([camera.fx, camera.fy])
    gate = float(np.sqrt(focal.prod()) * np.tan(np.radians(threshold_deg)))
    uv, weights = camera.unproject(matches.pixels) * focal, matches.weights / matches.weights.max()
    origin = np.median(matches.points, axis=0)
    return Problem(uv, matches.points - origin, weights, focal, origin, gate)


def centred(problem: Problem, T_camera_map: Pose) -> tuple[Problem, Pose]:
    """The origin moved to the camera, where translation and rotation are least correlated."""
    centre = T_camera_map.inverse().translation
    return problem.moved(centre), Pose(T_camera_map.rotation, np.zeros(3))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion compensation: a cloud that was measured while the lidar moved, as if it had been measured at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.messages.clouds import MAX_SWEEP_S
from i2p_ros.core.types import PointCloud


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Where the lidar was: T_fixed_lidar at each of `times` (K,), s; between two poses it keeps its twist.

    Times count from the stamp of the cloud and increase. The fixed frame is any that does not move with the vehicle.
    """

    times: Array
    poses: tuple[Pose, ...]

    def __init__(self, times: ArrayLike, poses: Sequence[Pose]) -> None:
        times = np.asarray(times, np.float64)
        if times.shape != (len(poses),) or len(poses) < 2 or not (np.diff(times) > 0).all():
            raise InputError(f"a trajectory needs two poses or more at increasing times, got {times}", "trajectory")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "poses", tuple(poses))

    def covers(self, first: float, last: float) -> bool:
        """Whether it is known all the time from first to last, s."""
        return bool(self.times[0] <= first and last <= self.times[-1])

    def moved(self, points: ArrayLike, times: ArrayLike) -> Array:
        """(N, 3) points in the fixed frame, of points (N, 3) of the lidar frame at times (N,)."""
        p, t = np.asarray(points, np.float64), np.asarray(times, np.float64)
        segment = np.clip(np.searchsorted(self.times, t, "right") - 1, 0, len(self.poses) - 2)
        out = np.empty_like(p)
        for k in np.unique(segment):
            at, start = segment == k, self.times[k]
            share = (t[at] - start) / (self.times[k + 1] - start)
            out[at] = self.poses[k].apply(_along((self.poses[k].inverse() @ self.poses[k + 1]).log(), share, p[at]))
        return out

    def at(self, time: float) -> Pose:
        """T_fixed_lidar at one time."""
        origin, *axes = self.moved(np.vstack([np.zeros(3), np.eye(3)]), np.full(4, time))
        return Pose(np.stack(axes, axis=1) - origin[:, None], origin)


def deskewed(cloud: PointCloud, trajectory: Trajectory | None, time: float = 0.0) -> tuple[PointCloud, str]:
    """The cloud as the lidar would have seen it at `time` (s after its stamp), without per-point time; and "".

    Where that cannot be known, the cloud as it is, and why: `deskew.no_times`, `deskew.equal_times`,
    `deskew.absurd_times` (not finite, or more than MAX_SWEEP_S from the stamp: another clock), or `deskew.no_motion`
    (no trajectory, or one that does not cover every point and `time`).
    """
    why = _obstacle(cloud, trajectory, time)
    if why or trajectory is None or cloud.time is None:
        return cloud, why
    xyz = trajectory.at(time).inverse().apply(trajectory.moved(cloud.xyz, cloud.time))
    return replace(cloud, xyz=xyz.astype(np.float32), time=None), ""


def _obstacle(cloud: PointCloud, trajectory: Trajectory | None, time: float) -> str:
    """What stands in the way of motion compensation, by name."""
    if cloud.time is None or not len(cloud):
        return "deskew.no_times"
    if not (np.abs(cloud.time) <= MAX_SWEEP_S).all():  # false for NaN too
        return "deskew.absurd_times"
    first, last = float(cloud.time.min()), float(cloud.time.max())
    if first == last:
        return "deskew.equal_times"
    covered = trajectory is not None and trajectory.covers(min(first, time), max(last, time))
    return "" if covered else "deskew.no_motion"


def _along(twist: Array, share: Array, points: Array) -> Array:
    """(N, 3): exp(share[n] twist) applied to points[n] (Sola et al. 2018, eq. 134 and 172, with one axis for all)."""
    rho, theta = twist[:3], twist[3:]
    angle = float(np.linalg.norm(theta))
    if angle < 1e-9:  # a rotation by less moves no point by a micrometre
        return points + share[:, None] * rho
    axis, phi = theta / angle, share[:, None] * angle
    c, s = np.cos(phi), np.sin(phi)
    turned = c * points + s * np.cross(axis, points) + (1.0 - c) * (points @ axis)[:, None] * axis
    straight = axis * (axis @ rho)
    shifted = (s * (rho - straight) + (1.0 - c) * np.cross(axis, rho)) / angle + share[:, None] * straight
    return np.asarray(turned + shifted)

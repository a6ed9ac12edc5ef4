# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion compensation: a cloud that was measured while the lidar moved, transformed to one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, skew
from i2p_ros.core.messages.point_times import MAX_SWEEP_S, MIN_SWEEP_S
from i2p_ros.core.types import PointCloud, Points


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Motion of the lidar: T_fixed_lidar at each of `times` (K,), with a constant twist between two poses.

    Times are in s from the stamp of the cloud, and increase. The fixed frame is any frame that does not move with the
    vehicle. Raises InputError for fewer than two poses, or times that do not increase.
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
        """Whether the trajectory covers all times from first to last, s."""
        return bool(self.times[0] <= first and last <= self.times[-1])

    def at(self, time: float) -> Pose:
        """T_fixed_lidar at a time, s."""
        k = self._segments(np.array([time]))[0]
        share = (time - self.times[k]) / (self.times[k + 1] - self.times[k])
        return self.poses[k] @ Pose.exp(share * self._twist(k))

    def points_at(self, time: float, points: Points, times: Points) -> Points:
        """Points (N, 3) in the lidar frame at `time`, from points (N, 3) in the lidar frames at `times` (N,), s.

        Float32 is enough: the lidar moves little meanwhile, and the distance to the fixed frame does not matter.
        """
        T_lidar_fixed, segments, out = self.at(time).inverse(), self._segments(times), np.empty_like(points)
        for k in np.unique(segments):
            at, start = segments == k, self.times[k]
            share = ((times[at] - start) / (self.times[k + 1] - start)).astype(np.float32)
            T_lidar_start, moved = T_lidar_fixed @ self.poses[k], _moved_by(self._twist(k), share, points[at])
            out[at] = moved @ T_lidar_start.rotation.T.astype(np.float32) + T_lidar_start.translation.astype(np.float32)
        return out

    def _segments(self, times: NDArray[Any]) -> NDArray[np.intp]:
        """Index (N,) of the pose before each time."""
        return np.clip(np.searchsorted(self.times, times, "right") - 1, 0, len(self.poses) - 2)

    def _twist(self, k: int) -> Array:
        """Twist (6,) from pose k to the next."""
        return (self.poses[k].inverse() @ self.poses[k + 1]).log()


def deskewed(cloud: PointCloud, trajectory: Trajectory | None, time: float = 0.0) -> tuple[PointCloud, str]:
    """Cloud in the lidar frame at `time` (s after its stamp), without times of its points, and an empty text.

    Points whose time is missing (NaN) are left out. Where compensation is impossible, the cloud is returned unchanged
    with the reason: `deskew.no_times`, `deskew.equal_times`, `deskew.absurd_times` (missing for half of the points, or
    more than MAX_SWEEP_S from the stamp, as of another clock or in no known unit), `deskew.short_sweep` (they span less
    than MIN_SWEEP_S, as in a single packet: too short to compensate), or `deskew.no_motion` (no trajectory, or one that
    does not cover all points and `time`).
    """
    why = _refusal(cloud, trajectory, time)
    if why or trajectory is None or cloud.time is None:
        return cloud, why
    timed = cloud.selected(np.asarray(np.isfinite(cloud.time)))
    assert timed.time is not None
    return replace(timed, xyz=trajectory.points_at(time, timed.xyz, timed.time), time=None), ""


def time_span(times: Points) -> tuple[float, float]:
    """The first and the last of the times of points (N,), s, without missing ones; InputError if all are missing."""
    known = times[np.isfinite(times)]
    if not len(known):
        raise InputError("no point has a time", "deskew.no_times")
    return float(known.min()), float(known.max())


def _refusal(cloud: PointCloud, trajectory: Trajectory | None, time: float) -> str:
    """Reason why motion compensation is impossible, or an empty text."""
    if cloud.time is None or not len(cloud):
        return "deskew.no_times"
    if 2 * np.isfinite(cloud.time).sum() <= len(cloud):
        return "deskew.absurd_times"
    first, last = time_span(cloud.time)
    if max(-first, last) > MAX_SWEEP_S:
        return "deskew.absurd_times"
    if first == last:
        return "deskew.equal_times"
    if last - first < MIN_SWEEP_S:
        return "deskew.short_sweep"
    covered = trajectory is not None and trajectory.covers(min(first, time), max(last, time))
    return "" if covered else "deskew.no_motion"


def _moved_by(twist: Array, share: Points, points: Points) -> Points:
    """Points (N, 3) after exp(share[n] * twist) each, by Rodrigues' formula with one axis for all (Sola et al. 2018,
    eq. 134, 172 and 174)."""
    rho, angle = twist[:3], float(np.linalg.norm(twist[3:]))
    if angle < 1e-9:  # a rotation by less moves no point by a micrometre
        return points + share[:, None] * rho.astype(np.float32)
    k = skew(twist[3:] / angle)
    phi = share[:, None] * np.float32(angle)
    sin, versin = np.sin(phi), 2.0 * np.sin(0.5 * phi) ** 2
    k1, k2 = (m.T.astype(np.float32) for m in (k, k @ k))
    turned = points + sin * (points @ k1) + versin * (points @ k2)
    along, across, back = (v.astype(np.float32) for v in (rho / angle, k @ rho / angle, k @ k @ rho / angle))
    return turned + phi * along + versin * across + (phi - sin) * back

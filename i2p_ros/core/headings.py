# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution of the heading of a camera, which is the direction about the up axis that it looks in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Array, Pose

UNIFORM = 0.1  # share of the uniform distribution that is mixed in: a network may be wrong
OTHER_DEG = 30.0  # headings farther apart are different answers


@dataclass(frozen=True, eq=False)
class Headings:
    """Shares (K,) of K headings, whose sum is 1. The k-th is 360 k / K deg from the x axis to the y axis of a frame,
    about its z axis. `T_frame_lidar` leads to the frame."""

    shares: Array
    T_frame_lidar: Pose

    @property
    def mixed(self) -> Array:
        """(K,) shares with those of the uniform distribution mixed in."""
        return (1.0 - UNIFORM) * self.shares + UNIFORM / len(self.shares)

    def log_share(self, T_camera_lidar: Pose) -> float:
        """Log of the mixed share of the heading of a pose, relative to the uniform distribution."""
        k = round(self._heading(T_camera_lidar)) % len(self.shares)
        return float(np.log(self.mixed[k] * len(self.shares)))

    def turned_to_other(self, T_camera_lidar: Pose) -> Pose:
        """The pose after a turn about its camera, to the likeliest heading that is a different answer: a local maximum,
        not the slope of the one that the pose is at.

        Half a turn, where all others are equally likely.
        """
        count, heading = len(self.shares), self._heading(T_camera_lidar)
        away = np.abs((np.arange(count) - heading + count / 2) % count - count / 2)
        summit = (self.shares >= np.roll(self.shares, 1)) & (self.shares >= np.roll(self.shares, -1))
        other = away * 360.0 / count > OTHER_DEG
        k = max(np.flatnonzero(other & summit), default=round(heading + count / 2) % count,
                key=lambda k: (self.shares[k], away[k]))  # fmt: skip
        turn = Pose.from_rotvec([0.0, 0.0, -2.0 * np.pi * (k - heading) / count], [0.0, 0.0, 0.0])
        T_camera_frame = T_camera_lidar @ self.T_frame_lidar.inverse()
        centre = Pose(np.eye(3), T_camera_frame.inverse().translation)
        return T_camera_frame @ centre @ turn @ centre.inverse() @ self.T_frame_lidar

    def _heading(self, T_camera_lidar: Pose) -> float:
        """The heading of a pose, in steps of the distribution."""
        ahead = (T_camera_lidar.rotation @ self.T_frame_lidar.rotation.T)[2]
        return float(np.arctan2(ahead[1], ahead[0]) * len(self.shares) / (2.0 * np.pi))

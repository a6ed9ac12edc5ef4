# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration of a camera and a lidar on one vehicle, from the median of recent poses."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose

ROBUST = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
MOST_POSES = 200  # that a calibration is made of


class RecentPoses:
    """The last MOST_POSES accepted poses T_camera_lidar. One thread may add to them while another reads."""

    def __init__(self) -> None:
        self._poses: deque[Pose] = deque(maxlen=MOST_POSES)

    def add(self, pose: Pose) -> None:
        """Append a pose."""
        self._poses.append(pose)

    def clear(self) -> None:
        """Remove all poses."""
        self._poses.clear()

    def median(self) -> tuple[Pose, Array, int]:
        """Median pose, standard deviation (6,) of one pose, and number of poses. Raises InputError without poses."""
        poses = list(self._poses)  # one call: the other thread may add to them
        return *median_pose(poses), len(poses)


def median_pose(poses: Sequence[Pose]) -> tuple[Pose, Array]:
    """Median of poses and the standard deviation (6,) of one pose about it, by the coordinates of `Pose.retract`.

    Raises InputError if there is no pose.
    """
    if not poses:
        raise InputError("no pose has been accepted yet: there is nothing to save", "calibration.empty")
    deltas = np.array([poses[-1].local(pose) for pose in poses])
    middle = np.median(deltas, axis=0)
    return poses[-1].retract(middle), ROBUST * np.median(np.abs(deltas - middle), axis=0)

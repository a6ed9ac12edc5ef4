# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words for the axes of a localized camera."""

import numpy as np
import pytest

from i2p_ros.core.drifts import AXES
from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.pose_directions import pose_directions, weak_directions
from i2p_ros.core.types import PoseEstimate, Status

AWAY = Pose.from_rotvec([0.1, 2.0, -0.4], [30.0, -4.0, 12.0])


def estimate(*std: float) -> PoseEstimate:
    """An estimate far from the origin, with deviations about its camera in m and deg."""
    metres_and_radians = np.array([*std[:3], *np.radians(std[3:])])
    return PoseEstimate(Status.OK, pose=AWAY, covariance=from_camera_axes(AWAY, np.diag(metres_and_radians**2)))


def test_axes_that_are_known_alike_are_well_seen() -> None:
    assert pose_directions(estimate(0.1, 0.1, 0.1, 0.25, 0.25, 0.25)) == dict.fromkeys(AXES, "well seen")
    assert weak_directions(estimate(0.1, 0.1, 0.1, 0.25, 0.25, 0.25)) == {}


def test_a_wide_interval_is_weak_or_not_seen() -> None:
    found = estimate(0.1, 0.6, 1.1, 0.25, 1.5, 0.25)  # 95 % intervals of 1.2 m, 2.2 m and 2.9 deg
    assert pose_directions(found) == {
        "tx": "well seen", "ty": "weak", "tz": "not seen", "rx": "well seen", "ry": "weak", "rz": "well seen",
    }  # fmt: skip
    assert weak_directions(found) == {"weak": "ty, ry", "not seen": "tz"}


def test_an_axis_with_little_of_the_information_is_weak_however_small_its_deviation() -> None:
    assert weak_directions(estimate(0.01, 0.01, 0.05, 0.025, 0.025, 0.025)) == {"weak": "tz"}


@pytest.mark.parametrize("covariance", [None, np.full((6, 6), np.nan), -np.eye(6)])
def test_without_a_covariance_there_are_no_words(covariance: np.ndarray | None) -> None:
    assert pose_directions(PoseEstimate(Status.OK, pose=AWAY, covariance=covariance)) == {}
    assert pose_directions(PoseEstimate(Status.UNCERTAIN)) == {}

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Headings of poses in any frame, and the turn to the likeliest other one."""

import numpy as np
import pytest

from i2p_ros.core.geometry import Pose
from i2p_ros.core.headings import UNIFORM, Headings

LEVEL = Pose(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))  # looks along x
FRAME = Pose.from_rotvec([0.0, 0.0, 0.7], [5.0, -3.0, 1.0])  # T_frame_lidar


def looking(degrees: float, at: tuple[float, float, float] = (4.0, 2.0, 1.0)) -> Pose:
    """T_camera_lidar of a camera at a place of the frame, with a heading there and a slight tilt."""
    turn = Pose.from_rotvec([0.0, 0.0, -np.radians(degrees)]) @ Pose(np.eye(3), -np.array(at))
    return Pose.from_rotvec([0.05, 0.0, 0.02]) @ LEVEL @ turn @ FRAME


def sure_of(*degrees: int, width: int = 0) -> Headings:
    shares = np.zeros(360)
    for rank, at in enumerate(degrees):
        shares[(np.arange(-width, width + 1) + at) % 360] = 1.0 / (rank + 1)
    return Headings(shares / shares.sum(), FRAME)


@pytest.mark.parametrize("degrees", [0, 1, 90, 180, 270, 359])
def test_the_heading_of_a_pose_has_its_share(degrees: int) -> None:
    found = sure_of(degrees)
    assert found.log_share(looking(degrees + 0.3)) == pytest.approx(np.log((1.0 - UNIFORM) * 360.0 + UNIFORM))
    assert found.log_share(looking(degrees + 20.0)) == pytest.approx(np.log(UNIFORM))
    assert found.mixed.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("shares", "expected"), [((10, 100), 100), ((10, 25, 350), 190), ((10, 41, 300), 41)])
def test_the_likeliest_other_heading_is_a_different_answer(shares: tuple[int, ...], expected: int) -> None:
    """Headings within 30 deg are the same answer; with no other peak it is half a turn."""
    given, found = looking(10.0), sure_of(*shares)
    other = found.turned_to_other(given)
    ahead = (other.rotation @ FRAME.rotation.T)[2]
    assert np.degrees(np.arctan2(ahead[1], ahead[0])) % 360.0 == pytest.approx(expected, abs=0.5)


def test_the_slope_of_the_best_heading_is_not_another_answer() -> None:
    off = (np.arange(360) - 10 + 180) % 360 - 180
    shares = np.exp(-0.5 * (off / 20.0) ** 2) + 0.2 * (np.arange(360) == 190)
    assert shares[41] > shares[190]
    other = Headings(shares / shares.sum(), FRAME).turned_to_other(looking(10.0))
    ahead = (other.rotation @ FRAME.rotation.T)[2]
    assert np.degrees(np.arctan2(ahead[1], ahead[0])) % 360.0 == pytest.approx(190.0, abs=0.5)


def test_the_camera_stays_where_it_is_and_keeps_its_tilt() -> None:
    given = looking(10.0)
    other = sure_of(10, 130).turned_to_other(given)
    np.testing.assert_allclose(other.inverse().translation, given.inverse().translation, atol=1e-9)
    up = FRAME.rotation.T @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(other.rotation @ up, given.rotation @ up, atol=1e-9)


def test_half_a_turn_where_nothing_is_known() -> None:
    other = Headings(np.full(360, 1.0 / 360.0), FRAME).turned_to_other(looking(77.0))
    assert np.degrees(np.linalg.norm((other @ looking(77.0).inverse()).log()[3:])) == pytest.approx(180.0, abs=0.6)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion compensation of a scan of known walls by a lidar that moves on a known way: the answer is exact."""

import numpy as np
import pytest
from scipy.linalg import expm

from i2p_ros.core.deskew import Trajectory, deskewed
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, skew
from i2p_ros.core.types import PointCloud

TWIST = np.array([15.0, 0.5, -0.2, 0.05, -0.1, 1.2])  # m/s, rad/s, in the lidar frame: a fast turn


def on_the_way(time: float) -> Pose:
    """T_fixed_lidar, by the matrix exponential of scipy."""
    hat = np.zeros((4, 4))
    hat[:3, :3], hat[:3, 3] = skew(TWIST[3:]), TWIST[:3]
    start = Pose.from_rotvec([0.1, 0.2, 3.0], [1000.0, -500.0, 20.0])
    return start @ Pose.from_matrix(expm(hat * time))


def scan(first: float, last: float, n: int = 500) -> tuple[PointCloud, np.ndarray]:
    """A cloud of points in the world, each as seen when it was measured, and where they are in the world."""
    rng = np.random.default_rng(0)
    times = rng.uniform(first, last, n).astype(np.float32)
    world = on_the_way(0.0).apply(rng.uniform(-50, 50, (n, 3)))
    seen = [on_the_way(float(t)).inverse().apply(point) for t, point in zip(times, world, strict=True)]
    return PointCloud(np.array(seen), np.linspace(0, 1, n), times), world


@pytest.mark.parametrize("time", [0.0, -0.05, 0.03])
@pytest.mark.parametrize("knots", [2, 3, 11])
def test_a_moving_scan_becomes_one_of_a_single_moment(knots: int, time: float) -> None:
    cloud, world = scan(-0.1, 0.05)
    stamps = np.linspace(-0.11, 0.06, knots)
    still, why = deskewed(cloud, Trajectory(stamps, [on_the_way(t) for t in stamps]), time)
    expected = on_the_way(time).inverse().apply(world)
    assert why == "" and still.time is None
    assert np.linalg.norm(cloud.xyz - expected, axis=1).max() > 1.0  # there is something to compensate
    np.testing.assert_allclose(still.xyz, expected, atol=5e-5)
    np.testing.assert_array_equal(still.intensity, cloud.intensity)


@pytest.mark.parametrize("twist", [TWIST * [1, 1, 1, 0, 0, 0], TWIST * 0, TWIST * [1, 1, 1, 1e-7, 1e-7, 1e-7]])
def test_no_rotation_or_almost_none_divides_by_nothing(twist: np.ndarray) -> None:
    ends = Trajectory([0.0, 1.0], [Pose.identity(), Pose.exp(twist)])
    points = np.random.default_rng(1).uniform(-50, 50, (20, 3)).astype(np.float32)
    with np.errstate(divide="raise", invalid="raise"):
        moved = ends.points_at(0.0, points, np.full(20, 0.25, np.float32))
    np.testing.assert_allclose(moved, points + 0.25 * twist[:3], atol=1e-4)


def test_a_pose_on_the_way_is_that_of_the_exponential() -> None:
    trajectory = Trajectory([0.0, 0.2], [on_the_way(0.0), on_the_way(0.2)])
    np.testing.assert_allclose(trajectory.at(0.13).matrix, on_the_way(0.13).matrix, atol=1e-9)


@pytest.mark.parametrize(
    ("times", "count"), [([0.0], 1), ([0.0, 0.0], 2), ([0.1, 0.0], 2), ([0.0, np.nan], 2), ([0.0, 1.0, 2.0], 2)]
)
def test_what_is_no_trajectory(times: list[float], count: int) -> None:
    with pytest.raises(InputError, match="increasing"):
        Trajectory(times, [Pose.identity()] * count)

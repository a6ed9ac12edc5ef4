# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The density of a camera near the lidar of its vehicle."""

import numpy as np
import pytest
from scipy import stats

from i2p_ros.core.geometry import Pose, skew
from i2p_ros.core.place import DEGREES_OF_FREEDOM, LidarPlace

PLACE = LidarPlace(np.array([40.0, -7.0, 2.0]), 0.7)
SPREAD = np.diag([0.5, 0.2, 0.9, 0.02, 0.05, 0.02]) ** 2


def camera(offset: list[float], turn: float = 1.2) -> Pose:
    """T_camera_lidar of a camera at an offset (3,), m, from the place."""
    rotation = Pose.from_rotvec([0.1, turn, -0.2]).rotation
    return Pose(rotation, -rotation @ (PLACE.position + offset))


def test_the_density_is_that_of_a_student_t_distribution() -> None:
    rng = np.random.default_rng(0)
    offsets = rng.standard_normal((20, 3)) * 3.0
    judge = stats.multivariate_t(shape=PLACE.std_m**2 * np.eye(3), df=DEGREES_OF_FREEDOM)
    expected = judge.logpdf(offsets) - judge.logpdf(np.zeros(3))
    np.testing.assert_allclose([PLACE.log_density(camera([*o])) for o in offsets], expected, atol=1e-9)


def test_the_origin_of_translations_does_not_matter() -> None:
    poses, origin = [camera([1.0, 0.5, -0.2]), camera([-3.0, 0.0, 0.4], -2.0)], np.array([30.0, 9.0, -4.0])
    rotations = np.array([pose.rotation for pose in poses])
    about = np.array([pose.apply(origin[None])[0] for pose in poses])
    found = PLACE.log_densities(origin, rotations, about)
    np.testing.assert_allclose(found, [PLACE.log_density(pose) for pose in poses], atol=1e-9)


def test_the_product_with_a_gaussian_is_that_of_the_normal_equations() -> None:
    pose = camera([0.6, -0.3, 0.2])
    offset = pose.apply(PLACE.position[None])[0]
    weight = (DEGREES_OF_FREEDOM + 3.0) / (DEGREES_OF_FREEDOM + offset @ offset / PLACE.std_m**2) / PLACE.std_m**2
    moved = np.hstack([np.eye(3), -skew(offset)])
    covariance = np.linalg.inv(np.linalg.inv(SPREAD) + weight * moved.T @ moved)
    found, spread = PLACE.product(pose, SPREAD)
    np.testing.assert_allclose(spread, covariance, atol=1e-12)
    mean = -covariance @ moved.T @ offset * weight
    np.testing.assert_allclose(found.matrix, (Pose.identity().retract(mean) @ pose).matrix, atol=1e-9)
    assert PLACE.log_density(found) > PLACE.log_density(pose)


@pytest.mark.parametrize("far", [50.0, 1e4])
def test_a_camera_far_from_the_place_stays_where_it_is(far: float) -> None:
    pose = camera([far, 0.0, 0.0])
    found, spread = PLACE.product(pose, SPREAD)
    assert np.linalg.norm(found.inverse().translation - pose.inverse().translation) < 0.1
    np.testing.assert_allclose(np.sqrt(np.diag(spread)), np.sqrt(np.diag(SPREAD)), rtol=0.05)

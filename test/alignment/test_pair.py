# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refined poses of synthetic pairs, whose true pose is exact."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.alignment import PLACES, SETTINGS, SPREAD, moved, offset, place

from i2p_ros.alignment.pair import RefinedPose, refine_pair
from i2p_ros.alignment.pyramid import plain_pyramid, predicted_pyramid
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair, PointCloud


def refined(pair: Pair, pose: Pose) -> RefinedPose | None:
    """By grey values and edges alone."""
    return refine_pair(pair, plain_pyramid(pair, SETTINGS), pose, SPREAD, SETTINGS)


def answer(k: int) -> tuple[RefinedPose, Array]:
    """The pose that is found from an offset one, and its error."""
    pair, true = place(k)
    found = refined(pair, moved(true, offset(k)))
    assert found is not None
    return found, Pose.identity().local(true @ found.pose.inverse())


@pytest.fixture(scope="module")
def answers() -> list[tuple[RefinedPose, Array]]:
    return [answer(k) for k in range(PLACES)]


def test_most_poses_are_found_to_a_decimetre_and_a_third_of_a_degree(answers: list[tuple[RefinedPose, Array]]) -> None:
    left = np.array([error for _, error in answers])
    before = np.array([offset(k) for k in range(PLACES)])
    for part, most in ((slice(0, 3), 0.1), (slice(3, 6), np.radians(0.3))):
        now, then = (np.linalg.norm(errors[:, part], axis=1) for errors in (left, before))
        assert np.median(then) > 2.0 * most, "too easy"
        assert np.median(now) < most


def test_errors_fit_the_covariance(answers: list[tuple[RefinedPose, Array]]) -> None:
    """No factor is fitted here. So the order of magnitude counts, and for most poses only."""
    nees = np.array([error @ np.linalg.solve(found.covariance, error) for found, error in answers])
    assert 0.5 < np.median(nees) < 12.0, nees
    assert np.mean(nees < 50.0) > 0.7, nees


def test_the_same_pair_has_the_same_answer() -> None:
    first, second = answer(0)[0], answer(0)[0]
    assert np.array_equal(first.pose.matrix, second.pose.matrix)
    assert np.array_equal(first.covariance, second.covariance)


def test_a_cloud_without_signals_refines_no_pose() -> None:
    pair, true = place(0)
    mixed = np.random.default_rng(0).permutation(pair.cloud.xyz)  # the order of the scan is lost: no jumps of range
    thin = mixed[: len(mixed) // 20]
    assert refined(replace(pair, cloud=PointCloud(thin)), true) is None
    behind = PointCloud(-np.abs(pair.cloud.xyz), pair.cloud.intensity)
    assert refined(replace(pair, cloud=behind), Pose.identity()) is None


def test_inverse_range_refines_a_pose_where_it_is_predicted() -> None:
    """Clouds without intensity, in no order, and images of inverse ranges."""
    left = [np.linalg.norm(ranges_alone(k)[:3]) for k in range(5, 10)]
    before = [np.linalg.norm(offset(k)[:3]) for k in range(5, 10)]
    assert np.median(left) < np.median(before) / 3.0, left


def ranges_alone(k: int) -> Array:
    """The error of the pose of a place when inverse range is the only signal."""
    pair, true = place(k)
    camera, xyz = pair.camera, np.random.default_rng(0).permutation(pair.cloud.xyz)
    (u, v), z = camera.project(true.apply(xyz))[0].T, true.apply(xyz)[:, 2]
    inside = (z > 1.0) & (u >= 0) & (u < camera.width - 1) & (v >= 0) & (v < camera.height - 1)
    inverse = np.zeros((camera.height, camera.width), np.float32)
    np.maximum.at(inverse, (np.round(v[inside]).astype(int), np.round(u[inside]).astype(int)), 1.0 / z[inside])
    filled = 1000.0 * cv2.dilate(inverse, np.ones((5, 5)))
    pyramid = predicted_pyramid(camera, np.stack([0 * filled, 0 * filled, filled, 0 * filled]))
    found = refine_pair(replace(pair, cloud=PointCloud(xyz)), pyramid, moved(true, offset(k)), SPREAD, SETTINGS)
    assert found is not None
    return Pose.identity().local(true @ found.pose.inverse())


def test_a_blank_image_leaves_pose_and_spread() -> None:
    pair, true = place(1)
    found = refined(replace(pair, image=np.full_like(pair.image, 99)), true)
    assert found is not None
    assert np.allclose(found.pose.matrix, true.matrix)
    assert np.allclose(found.covariance, SPREAD, rtol=0.01)

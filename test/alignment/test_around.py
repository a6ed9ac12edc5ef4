# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses that the mutual information proposes, about a place and near a pose."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from helpers.alignment import PLACES, SETTINGS, SPREAD, moved, offset, place

from i2p_ros.alignment.around import ALIKE, poses_around, poses_near
from i2p_ros.alignment.pyramid import ImagePyramid, plain_pyramid
from i2p_ros.core.geometry import Pose, are_within, so3_exp
from i2p_ros.core.types import Pair, PointCloud

MOST = 6
ASIDE = Pose.from_rotvec([0.0, 2.0, 0.0])  # of the camera, about its vertical axis
NEAR = 1.0, np.radians(5.0)  # m, rad


def around(pair: Pair, truth: Pose, most: int = MOST) -> list[Pose]:
    """Poses about a place that is not quite that of the camera, from a heading that is wrong."""
    centre = truth.inverse().translation + np.array([0.3, -0.2, 0.1])
    return poses_around(centre, ASIDE @ truth, pair, pyramid(pair), SETTINGS, most)


def pyramid(pair: Pair) -> ImagePyramid:
    return plain_pyramid(pair, SETTINGS)


def hold(poses: Sequence[Pose], truth: Pose) -> bool:
    return any(are_within(pose, truth, *NEAR) for pose in poses)


def test_most_true_poses_are_among_a_few_about_their_place() -> None:
    found = [hold(around(*place(k)), place(k)[1]) for k in range(PLACES)]
    assert np.mean(found) > 0.7


def test_most_true_poses_are_among_a_few_near_a_pose_that_is_off() -> None:
    found = list[bool]()
    for k in range(PLACES):
        pair, truth = place(k)
        poses = poses_near(moved(truth, offset(k)), SPREAD, pair, pyramid(pair), SETTINGS, 3)
        found.append(hold(poses, truth))
    assert np.mean(found) > 0.8


def test_no_two_are_alike_and_fewer_are_the_first_of_more() -> None:
    few, more = (around(*place(0), most) for most in (2, MOST))
    assert len(few) == 2 and len(more) == MOST
    assert all(np.array_equal(one.matrix, other.matrix) for one, other in zip(few, more, strict=False))
    assert not any(are_within(one, other, *ALIKE) for k, one in enumerate(more) for other in more[:k])


def test_two_threads_find_the_same() -> None:
    pair, truth = place(1)
    arguments = truth.inverse().translation, truth, pair, pyramid(pair), SETTINGS, MOST
    with ThreadPoolExecutor(2) as pool:
        parallel = poses_around(
            *arguments, lambda one, other: tuple(f.result() for f in map(pool.submit, (one, other)))
        )
    assert [p.matrix.tolist() for p in parallel] == [p.matrix.tolist() for p in poses_around(*arguments)]


def test_a_spread_that_rounding_made_indefinite_still_has_poses() -> None:
    pair, truth = place(0)
    flat = SPREAD.copy()
    flat[1, 1] = -1e-12
    poses = poses_near(truth, flat, pair, pyramid(pair), SETTINGS, 3)
    assert hold(poses, truth)


@pytest.mark.parametrize("yaw", [0.1, 2.0])
def test_the_poses_turn_with_the_cloud(yaw: float) -> None:
    pair, truth = place(2)
    turn = Pose(so3_exp([0.0, 0.0, yaw]), np.array([4.0, -3.0, 0.0]))
    xyz = turn.apply(pair.cloud.xyz.astype(np.float64)).astype(np.float32)
    turned = replace(pair, cloud=replace(pair.cloud, xyz=xyz))
    centre = truth.inverse().translation
    before = poses_around(centre, truth, pair, pyramid(pair), SETTINGS, 1)
    after = poses_around(turn.apply(centre[None])[0], truth @ turn.inverse(), turned, pyramid(pair), SETTINGS, 1)
    assert np.abs((after[0] @ turn).local(before[0])).max() < 1e-3


def test_a_cloud_of_which_nothing_is_in_view_proposes_nothing() -> None:
    pair, truth = place(0)
    behind = replace(pair, cloud=PointCloud(np.full((100, 3), 1e5, np.float32)))
    assert around(behind, truth) == []
    assert poses_near(truth, SPREAD, behind, pyramid(pair), SETTINGS, MOST) == []

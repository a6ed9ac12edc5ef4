# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of made-up pairs, whose truth is exact, made exact by what image and cloud say of each other."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from i2p_ros.alignment.estimate import WIDENED
from i2p_ros.alignment.pair import Aligned, aligned
from i2p_ros.alignment.search import Search, unlike
from i2p_ros.alignment.signal import compared, information, observed, plain_view, view_of
from i2p_ros.core.config import RefinementSettings, SyntheticSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.synthetic import SyntheticSource

SETTINGS = RefinementSettings()
SPREAD = np.diag(np.array([0.5, 0.15, 0.8, *np.radians([0.5, 1.5, 0.8])]) ** 2)
PLACES = 12


@cache
def place(k: int) -> tuple[Pair, Pose]:
    sample = SyntheticSource(SyntheticSettings(), 21, PLACES)[k]
    assert sample.T_camera_lidar is not None
    return sample.pair, sample.T_camera_lidar


def off(k: int) -> Array:
    """About the camera, as networks are off: by less than they are held able to be, see `pnp.exact.WIDENED`."""
    return np.random.default_rng(k).multivariate_normal(np.zeros(6), SPREAD) / WIDENED


def moved(pose: Pose, delta: Array) -> Pose:
    return Pose.identity().retract(delta) @ pose


def seen(pair: Pair, pose: Pose) -> Aligned | None:
    """By grey values and edges alone."""
    return aligned(pair, plain_view(pair, SETTINGS), pose, SPREAD, SETTINGS)


def answer(k: int) -> tuple[Aligned, Array]:
    """What is found from a pose that is off, and how far that still is."""
    pair, true = place(k)
    found = seen(pair, moved(true, off(k)))
    assert found is not None
    return found, Pose.identity().local(true @ found.pose.inverse())


@pytest.fixture(scope="module")
def answers() -> list[tuple[Aligned, Array]]:
    return [answer(k) for k in range(PLACES)]


def test_most_poses_are_found_to_a_decimetre_and_a_third_of_a_degree(answers: list[tuple[Aligned, Array]]) -> None:
    left = np.array([error for _, error in answers])
    before = np.array([off(k) for k in range(PLACES)])
    for part, most in ((slice(0, 3), 0.1), (slice(3, 6), np.radians(0.3))):
        now, then = (np.linalg.norm(errors[:, part], axis=1) for errors in (left, before))
        assert np.median(then) > 2.0 * most, "too easy"
        assert np.median(now) < most


def test_an_error_is_within_what_the_covariance_holds_possible(answers: list[tuple[Aligned, Array]]) -> None:
    """No factor is fitted here, so that only the order of magnitude counts: of most, not of all."""
    nees = np.array([error @ np.linalg.solve(found.covariance, error) for found, error in answers])
    assert 0.5 < np.median(nees) < 12.0, nees
    assert np.mean(nees < 50.0) > 0.7, nees


def test_the_same_pair_has_the_same_answer() -> None:
    first, second = answer(0)[0], answer(0)[0]
    assert np.array_equal(first.pose.matrix, second.pose.matrix)
    assert np.array_equal(first.covariance, second.covariance)


def test_a_cloud_that_tells_nothing_aligns_nothing() -> None:
    pair, true = place(0)
    mixed = np.random.default_rng(0).permutation(pair.cloud.xyz)  # the order of the scan is lost: no jumps of range
    thin = mixed[: len(mixed) // 20]
    assert seen(replace(pair, cloud=PointCloud(thin)), true) is None
    behind = PointCloud(-np.abs(pair.cloud.xyz), pair.cloud.intensity)
    assert seen(replace(pair, cloud=behind), Pose.identity()) is None


def test_ranges_align_too_where_a_view_tells_them() -> None:
    """Clouds without intensity, in no order, and images of inverse ranges."""
    left = [np.linalg.norm(ranges_alone(k)[:3]) for k in range(5, 10)]
    before = [np.linalg.norm(off(k)[:3]) for k in range(5, 10)]
    assert np.median(left) < np.median(before) / 3.0, left


def ranges_alone(k: int) -> Array:
    """How far off the pose of a place is still when nothing but inverse ranges are compared."""
    pair, true = place(k)
    camera, xyz = pair.camera, np.random.default_rng(0).permutation(pair.cloud.xyz)
    (u, v), z = camera.project(true.apply(xyz))[0].T, true.apply(xyz)[:, 2]
    inside = (z > 1.0) & (u >= 0) & (u < camera.width - 1) & (v >= 0) & (v < camera.height - 1)
    inverse = np.zeros((camera.height, camera.width), np.float32)
    np.maximum.at(inverse, (np.round(v[inside]).astype(int), np.round(u[inside]).astype(int)), 1.0 / z[inside])
    filled = 1000.0 * cv2.dilate(inverse, np.ones((5, 5)))
    view = view_of(camera, np.stack([0 * filled, 0 * filled, filled, 0 * filled]))
    found = aligned(replace(pair, cloud=PointCloud(xyz)), view, moved(true, off(k)), SPREAD, SETTINGS)
    assert found is not None
    return Pose.identity().local(true @ found.pose.inverse())


def test_an_image_that_shows_nothing_leaves_pose_and_spread() -> None:
    pair, true = place(1)
    found = seen(replace(pair, image=np.full_like(pair.image, 99)), true)
    assert found is not None
    assert np.allclose(found.pose.matrix, true.matrix)
    assert np.allclose(found.covariance, SPREAD, rtol=0.01)


def test_information_of_many_drifts_is_that_of_each() -> None:
    pair, true = place(2)
    frame = observed(pair, true, SETTINGS)
    drifts = 0.1 * np.array([off(k) for k in range(5)])
    for level in range(len(frame.view.levels)):
        many = information(frame, true.translation, drifts, level)
        for drift, both in zip(drifts, many, strict=True):
            nats = compared(frame, true.translation, drift, level).information
            assert np.allclose([nats[: len(frame.first)].sum(), nats[len(frame.first) :].sum()], both, rtol=0.01)


def test_a_climb_never_ends_lower() -> None:
    pair, true = place(3)
    search = Search([observed(pair, true, SETTINGS)], true.translation, np.linalg.inv(SPREAD), 0)
    starts = np.array([0.3 * off(k) for k in range(6)])
    ends = np.array([search.climbed(start, 8) for start in starts])
    assert (search.worth(ends) >= search.worth(starts)).all()
    assert np.array_equal(search.best(starts)[0], starts[np.argmax(search.worth(starts))])


def test_repetitions_are_left_out() -> None:
    one = np.zeros(6)
    near, far = one + 0.001, one + np.array([0.05, 0, 0, 0, 0, 0])
    assert [*map(id, unlike([one, near, far]))] == [id(one), id(far)]

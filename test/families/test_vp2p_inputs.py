# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs of VP2P: any image and any cloud, the same for the same pair, near a guess and mirrored."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.networks import FAMILY, GUESS, TINY, pair, prepared, street
from scipy.spatial import cKDTree

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.branches.inputs import (
    MAX_CLOUD,
    MEDIAN_POINTS,
    _between_rays,
    downsampled,
    input_frame,
    near_view,
    network_camera,
    network_image,
    point_features,
    shuffled,
)
from i2p_ros.families.vp2p.inputs import mirrored
from i2p_ros.synthetic.rigs import CAMERAS


@pytest.mark.parametrize("guess", [None, Pose.from_rotvec([1.2, -1.2, 1.2], [0.4, -0.2, 0.3])])
def test_mirrored_inputs_are_those_of_the_mirrored_pair(guess: Pose | None) -> None:
    given, mirror = pair(), np.array([1, -1, 1], np.float32)
    scene, inputs = prepared(given, guess)
    inputs = {**scene.shared, **inputs}
    cloud = PointCloud(inputs["points"] * mirror, inputs["features"][:, 3])
    camera = replace(given.camera, cx=given.camera.width - 1 - given.camera.cx)
    image = np.ascontiguousarray(given.image[:, ::-1])
    swapped = mirrored(inputs)
    np.testing.assert_allclose(swapped["image"], network_image(Pair(image, camera, cloud), TINY.image_width), atol=1e-5)
    np.testing.assert_array_equal(swapped["points"], cloud.xyz)
    np.testing.assert_allclose(swapped["features"], point_features(cloud, guess is not None), atol=1e-5)


def test_the_same_pair_is_prepared_the_same() -> None:
    first, second = ({**scene.shared, **inputs} for scene, inputs in (prepared(pair()), prepared(pair())))
    assert all((first[key] == second[key]).all() for key in first)


def test_cameras_with_one_cloud_share_its_preparation() -> None:
    given = pair()
    one, other = FAMILY.prepare(given), FAMILY.prepare(replace(given, name="other camera"))
    assert one.cloud is other.cloud
    assert FAMILY.prepare(given, np.random.default_rng(0)).cloud is not one.cloud  # in training it varies


def test_points_are_thinned_evenly_and_bad_ones_left_out() -> None:
    cloud = street(20000)
    xyz = cloud.xyz.copy()
    xyz[:100], xyz[100:200], xyz[200] = np.nan, 1e30, np.inf
    few = downsampled(shuffled(PointCloud(xyz, cloud.intensity), np.random.default_rng(0)), 1.0, 500)
    assert len(few) == 500 and np.isfinite(few.xyz).all() and np.abs(few.xyz).max() < 50
    looked_at = shuffled(PointCloud(xyz), np.random.default_rng(0)).xyz[:MEDIAN_POINTS]
    assert len(np.unique(np.floor(few.xyz - np.median(looked_at, axis=0)), axis=0)) == 500


def test_huge_clouds_are_bounded_without_leaving_a_place_out() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.normal(0.0, [20.0, 20.0, 1.0], (400_000, 3)).astype(np.float32)
    xyz[::7] = np.nan
    few = shuffled(PointCloud(xyz, np.ones(len(xyz), np.float32)), np.random.default_rng(0))
    assert len(few) == MAX_CLOUD and np.isfinite(few.xyz).all()
    assert {tuple(p) for p in few.xyz[:1000]} <= {tuple(p) for p in xyz}
    before, after = (
        np.histogram2d(*p[:, :2].T, bins=12, range=[[-60, 60]] * 2)[0] for p in (xyz[~np.isnan(xyz[:, 0])], few.xyz)
    )
    assert (after[before > 100] > 0).all()
    assert (shuffled(PointCloud(xyz), np.random.default_rng(0)).xyz == few.xyz).all()
    all_ = shuffled(PointCloud(xyz[:1000]), np.random.default_rng(0)).xyz
    assert sorted(map(tuple, all_)) == sorted(map(tuple, PointCloud(xyz[:1000]).finite().xyz))


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.7), (-1.9, 1.9), (0.2, 1.8), (-2.4, -0.1), (-1.7, 1.7)])
def test_points_between_two_rays_are_those_of_their_angles(low: float, high: float) -> None:
    x, y = np.random.default_rng(3).normal(size=(2, 5000)).astype(np.float32)
    angle = np.arctan2(y, x)
    clear = (np.abs(angle - low) > 1e-5) & (np.abs(angle - high) > 1e-5)
    assert (_between_rays(x, y, low, high) == ((angle > low) & (angle < high)))[clear].all()


@pytest.mark.parametrize("xyz", [np.zeros((0, 3)), np.full((5000, 3), np.nan), np.ones((5000, 3))])
def test_clouds_without_enough_places_are_refused(xyz: np.ndarray) -> None:
    with pytest.raises(InputError, match="at least"):
        prepared(pair(cloud=PointCloud(xyz.astype(np.float32))))


def test_features_do_not_depend_on_where_the_cloud_origin_is() -> None:
    cloud = street()
    moved = PointCloud(cloud.xyz + np.array([7, -3, 2], np.float32), cloud.intensity)
    np.testing.assert_allclose(point_features(moved), point_features(cloud), atol=1e-5)


def test_a_missing_intensity_counts_as_zero() -> None:
    assert (point_features(PointCloud(street().xyz))[:, 3] == 0).all()


def test_pixels_know_their_direction() -> None:
    given = pair(128, 48)
    image, camera = network_image(given, 64), network_camera(given.camera, 64)
    x, y = image[3, 5, 40], image[4, 5, 40]
    pixels, _ = camera.project([[x, y, 1.0]])
    np.testing.assert_allclose(pixels, [[40, 5]], atol=1e-4)


def test_a_guess_leaves_what_its_camera_may_see_in_axes_along_the_camera() -> None:
    given = pair(cloud=street(5000))
    seen = near_view(given.cloud, GUESS, given.camera)
    in_camera = GUESS.apply(given.cloud.xyz)
    _, visible = given.camera.project(in_camera)
    assert 0 < visible.sum() < len(seen) < 0.6 * len(given.cloud)
    back = input_frame(GUESS).inverse().apply(seen.xyz)
    kept = {tuple(p) for p in np.round(back, 3)}
    assert {tuple(p) for p in np.round(given.cloud.xyz[visible].astype(float), 3)} <= kept
    features = point_features(seen, guessed=True)
    x, y, z = GUESS.apply(back).T
    ahead = z > 2.0
    np.testing.assert_allclose(features[ahead, 5], np.clip(x / z, -3, 3)[ahead], atol=1e-3)
    np.testing.assert_allclose(features[ahead, 6], np.clip(y / z, -3, 3)[ahead], atol=1e-3)
    assert (features[:, 7] == 1).all() and (point_features(seen)[:, 5:] == 0).all()


@pytest.mark.parametrize("name", ["tum_vi", "t265"])
def test_a_wide_fisheye_keeps_the_points_in_view_of_its_guess(name: str) -> None:
    camera, cloud = CAMERAS[name][0], street(20000)
    seen = near_view(cloud, GUESS, camera)
    _, visible = camera.undistorted.project(GUESS.apply(cloud.xyz))
    kept = cKDTree(input_frame(GUESS).inverse().apply(seen.xyz))
    assert visible.sum() > 1000 and len(seen) < 0.6 * len(cloud)
    assert kept.query(cloud.xyz[visible])[0].max() < 1e-4


def test_the_image_of_a_wide_fisheye_is_the_middle_of_its_view() -> None:
    camera = CAMERAS["tum_vi"][0]
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    scene, _ = prepared(Pair(image, camera, street()))
    x, y = scene.shared["image"][3:]
    assert x.shape == network_image(Pair(image, camera, street()), TINY.image_width).shape[1:]
    assert (x.min(), x.max()) == (pytest.approx(-1, abs=0.05), pytest.approx(1, abs=0.05))
    assert (y.min(), y.max()) == (pytest.approx(-0.31, abs=0.05), pytest.approx(0.31, abs=0.05))


def test_a_guess_that_sees_nothing_is_refused() -> None:
    given = pair()
    away = Pose(GUESS.rotation, GUESS.rotation @ np.array([-500.0, 0, 0]))
    with pytest.raises(InputError, match="at least"):
        prepared(given, away)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The values between stages: what they accept, what they refuse, what they never do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, Pair, PointCloud, PoseEstimate, Prior, Sample, Status

XYZ = np.arange(12, dtype=np.float32).reshape(4, 3)
CAMERA = Camera(10, 10, 5, 4, 10, 8)
IMAGE = np.zeros((8, 10, 3), np.uint8)


def test_a_cloud_converts_to_float32_and_counts() -> None:
    cloud = PointCloud(XYZ.astype(np.float64), [0, 0.25, 0.5, 1])  # type: ignore[arg-type]
    assert len(cloud) == 4
    assert cloud.xyz.dtype == np.float32
    assert cloud.intensity is not None
    assert cloud.intensity.dtype == np.float32


@pytest.mark.parametrize("xyz", [np.zeros(3), np.zeros((4, 4)), np.zeros((2, 2, 3))])
def test_a_cloud_of_another_shape_is_refused(xyz: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"a cloud is \(N, 3\)"):
        PointCloud(xyz)


def test_a_cloud_needs_as_many_intensities() -> None:
    with pytest.raises(InputError, match=r"intensity of 4 points cannot be \(3,\)"):
        PointCloud(XYZ, np.zeros(3, np.float32))


def test_a_cloud_moves_and_selects_with_its_intensity() -> None:
    cloud = PointCloud(XYZ, np.array([0, 0.25, 0.5, 1], np.float32))
    moved = cloud.transformed(Pose.from_rotvec([0, 0, np.pi], [1, 2, 3]))
    np.testing.assert_allclose(moved.xyz, XYZ * [-1, -1, 1] + [1, 2, 3], atol=1e-5)
    assert moved.xyz.dtype == np.float32
    chosen = moved.selected(np.array([2, 0]))
    np.testing.assert_array_equal(chosen.intensity, [0.5, 0])
    np.testing.assert_array_equal(chosen.xyz, moved.xyz[[2, 0]])
    assert PointCloud(XYZ).selected(XYZ[:, 0] > 4).intensity is None


def test_finite_drops_points_but_only_zeroes_intensities() -> None:
    xyz, intensity = XYZ.copy(), np.array([0.1, np.nan, np.inf, 0.4], np.float32)
    xyz[3, 1] = np.nan
    cloud = PointCloud(xyz, intensity).finite()
    np.testing.assert_array_equal(cloud.xyz, XYZ[:3])
    np.testing.assert_array_equal(cloud.intensity, np.array([0.1, 0, 0], np.float32))
    assert len(PointCloud(XYZ).finite()) == 4
    assert len(PointCloud(np.full((2, 3), np.inf, np.float32)).finite()) == 0


def test_a_pair_checks_image_against_camera() -> None:
    assert Pair(IMAGE, CAMERA, PointCloud(XYZ)).stamp == 0
    for image in (IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[..., :2]):
        with pytest.raises(InputError, match="an image is") as caught:
            Pair(image, CAMERA, PointCloud(XYZ))
        assert caught.value.reason == "image.shape"
    with pytest.raises(InputError, match="the image is 9x8 but its camera 10x8") as caught:
        Pair(IMAGE[:, :9], CAMERA, PointCloud(XYZ))
    assert caught.value.reason == "image.size"


def test_a_pair_never_holds_the_truth() -> None:
    names = {field.name for field in dataclasses.fields(Pair)}
    truth = {"T_camera_lidar", "T_world_lidar", "depth"}
    assert not truth & names
    assert {field.name for field in dataclasses.fields(Sample)} == truth | {"pair", "prior"}


@pytest.mark.parametrize(
    "covariance", [np.ones(6), np.eye(5), np.zeros((6, 6)), np.diag([1.0] * 5 + [np.nan]), np.triu(np.ones((6, 6)))]
)
def test_a_prior_needs_a_covariance(covariance: np.ndarray) -> None:
    with pytest.raises(InputError, match="covariance of a prior"):
        Prior(Pose.identity(), covariance)


def test_correspondences_reshape_count_and_select() -> None:
    matches = Correspondences([[1, 2], [3, 4]], np.ones((2, 3), np.float32), [0.5, 1])  # type: ignore[arg-type]
    assert len(matches) == 2
    assert matches.points.dtype == np.float64
    assert matches.selected(np.array([False, True])).pixels.tolist() == [[3, 4]]
    empty = Correspondences(np.zeros(0), np.zeros(0), np.zeros(0))
    assert (len(empty), empty.pixels.shape, empty.points.shape) == (0, (0, 2), (0, 3))
    with pytest.raises(InputError, match="got 2 pixels, 1 points and 2 weights"):
        Correspondences(np.zeros((2, 2)), np.zeros((1, 3)), np.zeros(2))


@pytest.mark.parametrize("status", list(Status))
def test_only_ok_carries_a_pose_and_always(status: Status) -> None:
    ok = status is Status.OK
    estimate = PoseEstimate(status, pose=Pose.identity() if ok else None)
    assert estimate.n_inliers == 0
    with pytest.raises(ValueError, match="only OK carries a pose"):
        PoseEstimate(status, pose=None if ok else Pose.identity())


def test_an_estimate_counts_its_inliers() -> None:
    estimate = PoseEstimate(Status.OK, pose=Pose.identity(), inliers=np.array([True, False, True]))
    assert estimate.n_inliers == 2


def test_values_cannot_be_changed() -> None:
    for value in (PointCloud(XYZ), Pair(IMAGE, CAMERA, PointCloud(XYZ)), PoseEstimate(Status.NO_CONSENSUS)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)

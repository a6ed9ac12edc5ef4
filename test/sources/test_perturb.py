# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perturbations: the ranges they promise, the truth that they keep, and that a seed fixes them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.protocols import PROTOCOLS, ProtocolName
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.perturb import TRANSFORMS, perturbed, random_transform

NAMES: tuple[ProtocolName, ...] = get_args(ProtocolName)


def made() -> Sample:
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.normal(0, 10, (50, 3)).astype(np.float32), rng.uniform(0, 1, 50).astype(np.float32))
    pair = Pair(np.zeros((8, 10, 3), np.uint8), Camera(10, 10, 5, 4, 10, 8), cloud, 7, "made")
    return Sample(pair, Pose.from_rotvec([1, 2, 0.5], [0.1, 0.2, 0.3]), Pose.from_rotvec([0, 0, 1], [50, 60, 1]))


def transforms(protocol: ProtocolName, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Translations (n, 3) and yaw, pitch, roll (n, 3) in deg of many draws."""
    rng = np.random.default_rng(5)
    drawn = [random_transform(protocol, rng) for _ in range(n)]
    angles = Rotation.from_matrix([p.rotation for p in drawn]).as_euler("ZYX", degrees=True)
    return np.array([p.translation for p in drawn]), angles


def test_every_protocol_is_described_and_drawn() -> None:
    assert set(PROTOCOLS) == set(NAMES) == set(TRANSFORMS)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(
        InputError, match="no protocol '6dof'; there are none, vp2p, sixdof, prior, calib, calib_10_25, calib_10_50"
    ):
        perturbed(made(), "6dof", 0, 0)  # type: ignore[arg-type]


def test_vp2p_is_full_yaw_and_ten_metres_in_the_plane() -> None:
    t, angles = transforms("vp2p")
    np.testing.assert_allclose(angles[:, 1:], 0, atol=1e-9)
    np.testing.assert_array_equal(t[:, 2], 0)
    assert np.abs(t).max() <= 10.0
    assert stats.kstest(angles[:, 0], stats.uniform(-180, 360).cdf).pvalue > 0.01
    for axis in (0, 1):
        assert stats.kstest(t[:, axis], stats.uniform(-10, 20).cdf).pvalue > 0.01


def test_sixdof_also_tilts_and_raises() -> None:
    rng = np.random.default_rng(6)
    drawn = [random_transform("sixdof", rng) for _ in range(500)]
    up = np.array([p.rotation[:, 2] for p in drawn])  # the lidar's up axis in the given frame
    moved = np.array([p.translation for p in drawn])
    assert (np.abs(moved).max(axis=0) <= [10.0, 10.0, 1.0]).all()
    assert stats.kstest(moved[:, 2], stats.uniform(-1, 2).cdf).pvalue > 0.01
    angle = np.degrees(np.arccos(up[:, 2]))
    axis = np.column_stack([-up[:, 1], up[:, 0]]) / np.sin(np.radians(angle))[:, None]  # z x up: about what it tilted
    for tilt in (angle[:, None] * axis).T:
        assert np.abs(tilt).max() <= 10.0
        assert stats.kstest(tilt, stats.uniform(-10, 20).cdf).pvalue > 0.01


@pytest.mark.parametrize("protocol", NAMES)
def test_the_truth_follows_the_cloud(protocol: ProtocolName) -> None:
    sample = made()
    given, T_given_lidar = perturbed(sample, protocol, 3, 4)
    assert (given.pair.name, given.pair.stamp, given.pair.camera) == ("made", 7, sample.pair.camera)
    assert given.pair.image is sample.pair.image
    np.testing.assert_array_equal(given.pair.cloud.intensity, sample.pair.cloud.intensity)
    np.testing.assert_allclose(given.pair.cloud.xyz, T_given_lidar.apply(sample.pair.cloud.xyz), atol=1e-5)
    for before, after in (
        (sample.T_camera_lidar, given.T_camera_lidar),
        (sample.T_world_lidar, given.T_world_lidar),
    ):
        assert before is not None
        assert after is not None
        np.testing.assert_allclose(
            after.apply(given.pair.cloud.xyz), before.apply(sample.pair.cloud.xyz), atol=2e-5
        )  # each point stays where it was, for the camera and for the world


def test_none_changes_nothing() -> None:
    sample = made()
    given, T_given_lidar = perturbed(sample, "none", 1, 2)
    np.testing.assert_array_equal(given.pair.cloud.xyz, sample.pair.cloud.xyz)
    np.testing.assert_array_equal(T_given_lidar.matrix, np.eye(4))


@pytest.mark.parametrize("protocol", ["vp2p", "sixdof"])
def test_seed_and_index_fix_the_draw(protocol: ProtocolName) -> None:
    def drawn(seed: int, index: int) -> bytes:
        return perturbed(made(), protocol, seed, index)[1].matrix.tobytes()

    assert drawn(3, 4) == drawn(3, 4)
    assert len({drawn(3, 4), drawn(4, 3), drawn(3, 5), drawn(5, 4)}) == 4


def test_a_prior_is_off_by_its_range_and_its_covariance_says_so() -> None:
    near = replace(made(), T_camera_lidar=Pose.from_rotvec([1, 2, 0.5], [0.1, -0.3, -0.2]))
    errors, z = [], []
    for index in range(1500):
        given, _ = perturbed(near, "prior", 1, index)
        assert given.prior is not None
        assert given.T_camera_lidar is not None
        error = given.prior.pose @ given.T_camera_lidar.inverse()
        errors.append([*error.translation, *np.degrees(Rotation.from_matrix(error.rotation).as_rotvec())])
        delta = given.prior.pose.local(given.T_camera_lidar)
        z.append(delta @ np.linalg.solve(given.prior.covariance, delta))
    for axis, most in zip(np.array(errors).T, [1.0] * 3 + [10.0] * 3, strict=True):
        assert stats.kstest(axis, stats.uniform(-most, 2 * most).cdf).pvalue > 0.01
    assert np.mean(z) == pytest.approx(6.0, rel=0.05)


def test_only_the_prior_protocol_gives_one() -> None:
    assert [perturbed(made(), name, 0, 0)[0].prior is not None for name in ("none", "vp2p", "sixdof", "prior")] == [
        False, False, False, True,
    ]  # fmt: skip


def test_a_sample_without_truth_stays_without() -> None:
    given, _ = perturbed(Sample(made().pair), "vp2p", 0, 0)
    assert given.T_camera_lidar is None
    assert given.T_world_lidar is None

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Moments of a pose's posterior by sampling, against distributions with known moments."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers.matches import CAMERA, moved, synthetic_matches
from scipy.spatial.transform import Rotation

from i2p_ros.core.consistency import camera_error
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import so3_exp, so3_exp_many
from i2p_ros.core.types import PoseEstimate, Status
from i2p_ros.pnp import posterior_of, solve
from i2p_ros.pnp.posterior import sample

Likelihood = Callable[[np.ndarray, np.ndarray], np.ndarray]


def correlated(seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(6, 6)) * ([0.1] * 3 + [0.01] * 3)
    return a.T @ a


def log_gaussian(mean: np.ndarray, covariance: np.ndarray) -> Likelihood:
    information = np.linalg.inv(covariance)

    def value(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
        d = np.c_[translations, Rotation.from_matrix(rotations).as_rotvec()] - mean
        return -0.5 * np.einsum("ki,ij,kj->k", d, information, d)

    return value


@pytest.mark.parametrize("initial_scale", [1 / 3, 1.0, 3.0])
@pytest.mark.parametrize("sigmas", [0.0, 2.0])
def test_moments_of_a_gaussian_away_from_the_start(sigmas: float, initial_scale: float) -> None:
    for seed in range(6):
        true = correlated(seed)
        root = np.linalg.cholesky(true)
        way = np.random.default_rng(seed).normal(size=6)
        mean = sigmas * root @ way / np.linalg.norm(way)
        found = sample(log_gaussian(mean, true), initial_scale**2 * true)
        ratio = np.linalg.solve(root, np.linalg.solve(root, found.covariance).T)  # the identity, if it is right
        assert found.ess > 40
        assert np.linalg.norm(np.linalg.solve(root, found.mean - mean)) < 1.2
        assert np.linalg.eigvalsh(ratio).min() > 0.25 and np.linalg.eigvalsh(ratio).max() < 3.0


def test_the_covariance_does_not_collapse_from_an_initial_one_twenty_times_too_wide() -> None:
    true = np.diag([0.05] * 3 + [0.004] * 3) ** 2
    found = sample(log_gaussian(np.zeros(6), true), np.diag([1.0, 0.5, 1.0, 0.02, 0.02, 0.02]) ** 2)
    assert np.abs(found.mean / np.sqrt(np.diag(true))).max() < 1.5
    assert (np.diag(found.covariance) > 0.1 * np.diag(true)).all()


def test_two_modes_widen_the_covariance_over_both() -> None:
    narrow = np.diag([0.1] * 3 + [0.01] * 3) ** 2
    apart = np.array([0.4, 0.0, 0.0, 0.0, 0.0, 0.0])  # 4 deviations from the middle, 8 from one another
    left, right = log_gaussian(-apart, narrow), log_gaussian(apart, narrow)
    initial = np.diag([0.4] + [0.1] * 2 + [0.01] * 3) ** 2
    found = sample(lambda r, t: np.logaddexp(left(r, t), right(r, t)), initial)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(0.41, rel=0.25)
    assert np.sqrt(found.covariance[1, 1]) == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize("origin", [0.0, 10.0, 30.0])
def test_samples_of_matches_are_effective_at_any_origin_of_the_cloud(origin: float) -> None:
    effective, ratios = [], []
    for seed in range(6):
        estimate = solve(moved(*synthetic_matches(seed, 2.0, 0.3, 200), np.array([0.0, origin, 0.0]))[0], CAMERA)
        assert estimate.pose is not None and estimate.covariance is not None
        found = posterior_of(estimate, CAMERA)
        stated = camera_error(estimate.pose, estimate.covariance, estimate.pose)[1]
        ratios.append(np.diag(found.covariance) / np.diag(stated))
        effective.append(found.ess)
    assert min(effective) > 200
    assert 0.7 < np.mean(ratios) < 1.3  # two ways to the same covariance


def test_few_matches_are_sampled_too() -> None:
    assert posterior_of(solve(synthetic_matches(0, 2.0, n=15)[0], CAMERA), CAMERA).ess > 200


def test_an_estimate_without_a_pose_has_no_posterior() -> None:
    with pytest.raises(InputError, match="no pose"):
        posterior_of(PoseEstimate(Status.NO_CONSENSUS, "few"), CAMERA)


def test_same_input_same_samples() -> None:
    first, second = (sample(log_gaussian(np.zeros(6), correlated(0)), correlated(0)) for _ in range(2))
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    assert first.ess == second.ess


def test_many_rotations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    size = np.r_[np.logspace(-15, 0.7, 60), 0.0, np.pi, 2.0 * np.pi]
    way = rng.normal(size=(len(size), 3))
    theta = size[:, None] * way / np.linalg.norm(way, axis=1, keepdims=True)
    found = so3_exp_many(theta)
    np.testing.assert_allclose(found, Rotation.from_rotvec(theta).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(found, [so3_exp(t) for t in theta], atol=1e-11)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures of stated uncertainty, judged by scipy.stats, brute force and samples of a known covariance."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from i2p_ros.core import consistency
from i2p_ros.core.geometry import Array, Pose

TRUTH = Pose.from_rotvec([1.2, -1.2, 1.2], [2.0, -1.0, 25.0])  # the cloud's origin 25 m from the camera


def spread_matrix(seed: int = 0) -> Array:
    """A (6, 6) covariance about the camera: decimetres and tenths of a degree, coupled."""
    root = np.diag([0.2, 0.1, 0.4, 0.003, 0.005, 0.002])
    mixed = root @ (np.eye(6) + 0.4 * np.random.default_rng(seed).normal(size=(6, 6)))
    return np.asarray(mixed @ mixed.T)


def in_cloud(T_camera_lidar: Pose, about_camera: Array) -> Array:
    """A covariance about the camera as one of T_camera_lidar: by way of the camera in the cloud, with its Jacobian."""
    turn = np.kron(np.eye(2), T_camera_lidar.rotation.T)
    back = T_camera_lidar.inverse().inverse_jacobian @ turn
    return np.asarray(back @ about_camera @ back.T)


def normalised(estimate: Pose, covariance: Array, truth: Pose) -> tuple[float, Array]:
    found = consistency.normalised(*consistency.camera_error(estimate, covariance, truth))
    assert found is not None
    return found


def drawn(scale: float = 1.0, n: int = 2000) -> tuple[Array, Array]:
    """NEES (n,) and normalised errors (n, 6) of estimates that err by spread_matrix and say scale times that."""
    rng, said = np.random.default_rng(1), scale * spread_matrix()
    found = []
    for off in rng.multivariate_normal(np.zeros(6), spread_matrix(), n):
        along = TRUTH.rotation.T @ off[:3]
        camera = Pose.from_rotvec(TRUTH.rotation.T @ off[3:]) @ Pose(TRUTH.rotation.T, np.zeros(3))
        estimate = Pose(camera.rotation, TRUTH.inverse().translation + along).inverse()
        found.append(normalised(estimate, in_cloud(estimate, said), TRUTH))
    return np.array([nees for nees, _ in found]), np.array([z for _, z in found])


def test_the_error_is_where_the_camera_is_and_how_it_is_turned() -> None:
    off = np.array([0.3, -0.2, 0.5, 0.02, -0.01, 0.03])
    T_lidar_camera = TRUTH.inverse()
    moved = T_lidar_camera @ Pose.from_rotvec(off[3:], off[:3])  # right, down, forward of the camera
    error, covariance = consistency.camera_error(moved.inverse(), in_cloud(moved.inverse(), spread_matrix()), TRUTH)
    np.testing.assert_allclose(error, off, atol=1e-9)
    np.testing.assert_allclose(covariance, spread_matrix(), atol=1e-9)


def test_normalised_errors_are_mahalanobis_and_marginal() -> None:
    error, covariance = np.arange(1.0, 7.0), spread_matrix()
    found = consistency.normalised(error, covariance)
    assert found is not None and found[0] == pytest.approx(error @ np.linalg.inv(covariance) @ error)
    np.testing.assert_allclose(found[1], error / np.sqrt(np.diag(covariance)))


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf, 1e308])
def test_a_covariance_that_is_none_is_not_used(size: float, recwarn: pytest.WarningsRecorder) -> None:
    error, covariance = consistency.camera_error(TRUTH, np.full((6, 6), size), TRUTH)
    assert consistency.normalised(error, covariance) is None and not recwarn.list


def test_chi_square_is_scipys() -> None:
    x = np.concatenate([np.linspace(0, 60, 200), [1e3, 1e200, np.inf]])
    np.testing.assert_allclose(consistency.chi2_probability(x), stats.chi2(6).cdf(x), atol=1e-14)
    np.testing.assert_allclose(consistency.chi2_density(x[:200]), stats.chi2(6).pdf(x[:200]), atol=1e-14)


@pytest.mark.parametrize("nu", [2.5, 4.0, 6.0, 17.3, 80.0])
def test_levels_of_a_student_t_are_scipys(nu: float) -> None:
    x, z = np.linspace(0.0, 200.0, 300), np.linspace(-12.0, 12.0, 300)
    of_nees = stats.f(6, nu).cdf(x * nu / (nu - 2.0) / 6.0)
    np.testing.assert_allclose(consistency.ellipsoid_level(x, nu), of_nees, atol=1e-12)
    two_sided = 2.0 * stats.t(nu).cdf(np.abs(z) * np.sqrt(nu / (nu - 2.0))) - 1.0
    np.testing.assert_allclose(consistency.interval_level(z, nu), two_sided, atol=1e-5)


def test_many_degrees_of_freedom_are_a_gaussian() -> None:
    x = np.array([0.0, 1.0, 5.348, 12.59, 1e9, np.inf])
    np.testing.assert_allclose(consistency.ellipsoid_level(x), stats.chi2(6).cdf(x), atol=1e-12)
    np.testing.assert_allclose(consistency.ellipsoid_level(x, 1e5), stats.chi2(6).cdf(x), atol=1e-3)
    np.testing.assert_allclose(consistency.interval_level([1.96, 0.0]), [0.95, 0.0], atol=1e-4)


def test_each_pose_is_judged_by_its_own_distribution() -> None:
    rng, nu = np.random.default_rng(1), np.repeat([4.0, np.inf], 4000)
    draws = rng.normal(size=(8000, 6))
    draws[:4000] *= np.sqrt(0.5 * 4.0 / rng.chisquare(4.0, (4000, 1)))  # of covariance 1, as the others
    nees = (draws**2).sum(axis=1)
    np.testing.assert_allclose(consistency.coverage(nees, degrees_of_freedom=nu), consistency.LEVELS, atol=0.02)
    assert consistency.calibration_error(nees, nu) < 0.01 < consistency.calibration_error(nees)
    np.testing.assert_allclose(consistency.axis_coverage(draws, 0.95, nu), 0.95, atol=0.01)


def test_a_true_covariance_looks_true() -> None:
    nees, z = drawn()
    assert nees.mean() / 6 == pytest.approx(1.0, abs=0.05) and stats.kstest(nees, stats.chi2(6).cdf).pvalue > 0.01
    np.testing.assert_allclose(consistency.coverage(nees), consistency.LEVELS, atol=0.025)
    np.testing.assert_allclose(consistency.axis_coverage(z, 0.95), 0.95, atol=0.015)
    assert consistency.calibration_error(nees) < 0.02


@pytest.mark.parametrize(("scale", "ratio"), [(0.25, 4.0), (4.0, 0.25)])
def test_a_covariance_of_wrong_size_is_found(scale: float, ratio: float) -> None:
    nees, z = drawn(scale)
    assert nees.mean() / 6 == pytest.approx(ratio, rel=0.05)
    expected = stats.chi2(6).cdf(stats.chi2(6).ppf(consistency.LEVELS) * scale)
    np.testing.assert_allclose(consistency.coverage(nees), expected, atol=0.025)
    marginal = 2 * stats.norm.cdf(stats.norm.ppf(0.975) * np.sqrt(scale)) - 1
    np.testing.assert_allclose(consistency.axis_coverage(z, 0.95), marginal, atol=0.025)
    assert consistency.calibration_error(nees) > 0.2


def sparsification_by_hand(errors: Array, spread: Array) -> list[float]:
    order = np.argsort(-spread)
    return [float(errors[order[k:]].mean()) for k in range(len(errors))]


def test_sparsification_is_the_mean_of_what_is_left() -> None:
    rng = np.random.default_rng(0)
    errors, spread = rng.exponential(size=(2, 30))
    np.testing.assert_allclose(
        consistency.sparsification(errors, spread), sparsification_by_hand(errors, spread), atol=1e-12
    )


def test_ause_is_0_for_the_best_order_and_1_for_none() -> None:
    rng = np.random.default_rng(0)
    errors = rng.exponential(size=2000)
    assert consistency.ause(errors, 3 * errors) == 0.0
    assert consistency.ause(errors, np.ones(2000)) == pytest.approx(1.0)  # ties are no order at all
    assert consistency.ause(errors, rng.uniform(size=2000)) == pytest.approx(1.0, abs=0.1)
    some = consistency.ause(errors, errors * rng.lognormal(size=2000))
    assert some is not None and 0.1 < some < 0.6
    worst = consistency.ause(errors, -errors)
    assert worst is not None and worst > 1.5
    assert consistency.ause(np.ones(5), np.arange(5.0)) is None and consistency.ause(errors[:1], errors[:1]) is None


def test_ties_count_as_the_average_of_their_orders() -> None:
    rng = np.random.default_rng(2)
    errors, spread = rng.exponential(size=40), rng.integers(0, 4, 40).astype(float)
    broken = [consistency.ause(errors, spread + 1e-6 * rng.uniform(size=40)) for _ in range(2000)]
    assert consistency.ause(errors, spread) == pytest.approx(np.mean(np.array(broken, float)), abs=0.01)


@pytest.mark.parametrize("steps", [1000, 5])  # without ties and with
def test_auroc_is_the_share_of_pairs_in_the_right_order(steps: int) -> None:
    rng = np.random.default_rng(0)
    confidence, failed = np.round(rng.uniform(size=80) * steps) / steps, rng.uniform(size=80) < 0.3
    right, wrong = confidence[~failed][:, None], confidence[failed]
    assert consistency.auroc(confidence, failed) == pytest.approx(np.mean((right > wrong) + 0.5 * (right == wrong)))


def test_auroc_needs_both_classes() -> None:
    for failed in (np.zeros(3, bool), np.ones(3, bool), np.zeros(0, bool)):
        assert consistency.auroc(np.ones(len(failed)), failed) is None


def intervals(values: Array, blocks: NDArray[np.int64], seed: int = 0) -> Array:
    return consistency.mean_intervals(values[:, None], blocks, seed)[0]


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng, n, size, hits = np.random.default_rng(0), 25, 8, 0
    for _ in range(60):
        values = np.repeat(rng.normal(size=n), size) + 0.1 * rng.normal(size=n * size)  # alike within a block
        low, high = intervals(values, np.repeat(np.arange(n), size))
        hits += low < 0 < high
    assert hits >= 51  # 57 expected
    single = intervals(values, np.arange(n * size))
    assert high - low > 2 * (single[1] - single[0])  # who takes pairs for independent is too sure


def test_intervals_of_independent_values_are_those_of_theory() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose(
        intervals(values, np.arange(400)), [values.mean() - half, values.mean() + half], atol=0.05
    )
    np.testing.assert_array_equal(intervals(values, np.arange(400)), intervals(values, np.arange(400)))


def test_values_that_do_not_count_change_nothing() -> None:
    values = np.random.default_rng(0).normal(size=60)
    with_gaps = np.stack([values, np.full(60, np.nan)], axis=1).ravel()
    blocks = np.arange(60) // 3
    np.testing.assert_allclose(intervals(with_gaps, np.repeat(blocks, 2)), intervals(values, blocks))


def test_no_interval_without_blocks_or_values() -> None:
    assert np.isnan(intervals(np.ones(5), np.zeros(5, np.int64))).all()
    assert np.isnan(intervals(np.full(5, np.nan), np.arange(5))).all()
    assert consistency.mean_intervals(np.zeros((0, 2)), np.zeros(0, np.int64)).shape == (2, 2)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Covariances of transformed poses, against automatic differentiation and against sampling."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.matches import CAMERA, synthetic_matches

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose, skew
from i2p_ros.pnp import covariance
from i2p_ros.pnp.refine import Factor, jacobian, refine

Tensors = tuple[torch.Tensor, torch.Tensor]
POSE = Pose.from_rotvec([0.4, -0.8, 1.1], [3.0, -2.0, 5.0])
BASE = Pose.from_rotvec([0.1, 0.2, -1.0], [0.5, -1.0, 2.0])
SHIFT = np.array([10.0, -4.0, 2.0])


def given() -> np.ndarray:
    a = np.random.default_rng(2).normal(size=(6, 6)) * ([0.02] * 3 + [0.002] * 3)
    return a.T @ a


def inverse(pose: Tensors) -> Tensors:
    return pose[0].T, -pose[0].T @ pose[1]


def after(pose: Tensors, then: Pose) -> Tensors:
    return pose[0] @ torch.tensor(then.rotation), pose[0] @ torch.tensor(then.translation) + pose[1]


SHIFTED = Pose(np.eye(3), -SHIFT)
CARRIED: dict[str, tuple[Callable[[Tensors], Tensors], Callable[[Pose], Pose], Callable[[np.ndarray], np.ndarray]]] = {
    "the camera in the lidar frame": (
        inverse, lambda pose: pose.inverse(), lambda s: covariance.camera_in_lidar(POSE, s),
    ),
    "the base in the map": (
        lambda pose: after(pose, BASE), lambda pose: pose @ BASE, lambda s: covariance.base_in_map(POSE, s, BASE),
    ),
    "another origin": (
        lambda pose: after(pose, SHIFTED), lambda pose: pose @ SHIFTED, lambda s: covariance.with_origin(s, POSE, SHIFT)
    ),
}  # fmt: skip


def turned(theta: torch.Tensor) -> torch.Tensor:
    x, y, z = theta
    zero = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3))


@pytest.mark.parametrize("name", CARRIED)
def test_jacobians_are_those_of_automatic_differentiation(name: str) -> None:
    through, exact, ours = CARRIED[name]
    at = exact(POSE)

    def local(delta: torch.Tensor) -> torch.Tensor:
        start = turned(delta[3:]) @ torch.tensor(POSE.rotation), torch.tensor(POSE.translation) + delta[:3]
        rotation, translation = through(start)
        small = rotation @ torch.tensor(at.rotation).T  # its rotation vector, to first order
        theta = torch.stack([small[2, 1] - small[1, 2], small[0, 2] - small[2, 0], small[1, 0] - small[0, 1]]) / 2.0
        return torch.cat([translation - torch.tensor(at.translation), theta])

    j = torch.func.jacfwd(local)(torch.zeros(6, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(ours(given()), j @ given() @ j.T, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", CARRIED)
def test_samples_have_the_stated_covariance(name: str) -> None:
    _, exact, ours = CARRIED[name]
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(6), given(), 4000)
    judged = np.cov(np.array([exact(POSE).local(exact(POSE.retract(d))) for d in draws]).T)
    std = np.sqrt(np.diag(judged))
    assert np.abs((ours(given()) - judged) / np.outer(std, std)).max() < 0.08  # 4000 draws: 0.016 a deviation


def test_a_transform_and_its_inverse_leave_the_covariance_unchanged() -> None:
    back = covariance.with_origin(covariance.with_origin(given(), POSE, SHIFT), POSE @ SHIFTED, -SHIFT)
    np.testing.assert_allclose(back, given(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        covariance.camera_in_lidar(POSE.inverse(), covariance.camera_in_lidar(POSE, given())), given(), rtol=1e-9
    )


def test_the_jacobian_of_the_prior_is_the_identity_at_its_mean() -> None:
    factor, steps = Factor(POSE, np.linalg.inv(given())), 1e-6 * np.eye(6)
    half = np.array(
        [[factor.cost(POSE.retract(a + b)) - factor.cost(POSE.retract(a - b)) for a in steps] for b in steps]
    )
    np.testing.assert_allclose(half / 2e-12, factor.information, rtol=1e-3, atol=1.0)


@pytest.mark.parametrize("with_prior", [False, True])
def test_covariance_of_an_estimate_against_sampling(with_prior: bool) -> None:
    """Weighted least squares of the same scene under 400 draws of noise, and of the prior's error."""
    matches, truth = synthetic_matches(0, n=40)
    rng, sigma, focal = np.random.default_rng(0), 2.0, np.array([CAMERA.fx, CAMERA.fy])
    uv, points = CAMERA.unproject(matches.pixels) * focal, matches.points
    weights = np.ones(40) if with_prior else rng.uniform(0.1, 1.0, 40)
    known = np.diag([0.02] * 3 + [0.003] * 3) ** 2
    found = []
    for _ in range(400):
        mean = truth.retract(np.sqrt(np.diag(known)) * rng.normal(size=6))
        factor = Factor(mean, sigma**2 * np.linalg.inv(known)) if with_prior else None
        noisy = uv + sigma * rng.normal(size=uv.shape)
        found.append(truth.local(refine(truth, noisy, points, weights, focal, 1e9, 10, factor)[0]))
    stated = covariance.of_least_squares(
        jacobian(truth, points, focal), weights, sigma**2, np.linalg.inv(known) if with_prior else None
    )
    std = np.sqrt(np.diag(stated))
    assert np.abs((np.cov(np.array(found).T) - stated) / np.outer(std, std)).max() < 0.25
    np.testing.assert_array_equal(stated, stated.T)


def test_row_58_published_covariance_is_floored_and_capped_and_otherwise_untouched() -> None:
    fair = given() + np.diag(covariance.FLOOR_STD**2)
    np.testing.assert_allclose(covariance.published(fair), fair, rtol=1e-9)
    floored = covariance.published(np.zeros((6, 6)))
    np.testing.assert_allclose(np.sqrt(np.diag(floored)), covariance.FLOOR_STD)
    capped = covariance.published(np.diag([1e300, 1, 1, 1, 1, 1]))
    assert np.sqrt(capped[0, 0]) == pytest.approx(100.0) and np.linalg.eigvalsh(capped).min() > 0
    lopsided = given()
    lopsided[0, 3] += 1e-6
    result = covariance.published(lopsided)
    np.testing.assert_array_equal(result, result.T)


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0, 1e4, 1e300])
def test_row_58_a_diagonal_covariance_has_the_same_variances_and_nothing_else(scale: float) -> None:
    full, diagonal = covariance.published(scale * given()), covariance.published(scale * given(), diagonal=True)
    np.testing.assert_array_equal(diagonal, np.diag(np.diag(full)))
    std = np.sqrt(np.diag(diagonal))
    assert (std >= 0.999 * covariance.FLOOR_STD).all()
    assert (std <= 1.001 * covariance.CAP_RATIO * covariance.FLOOR_STD).all()
    if scale <= 1.0:
        assert (np.diag(diagonal) >= scale * np.diag(given())).all()  # no axis is stated better than it is known


def test_row_54_unobservable_axes_are_named() -> None:
    matches, truth = synthetic_matches(0, n=50)
    j = jacobian(truth, matches.points, np.array([360.0, 360.0]))
    assert covariance.unobservable_axes(j, np.ones(50)) == []
    j[:, :, 2] = 0.0
    assert covariance.unobservable_axes(j, np.ones(50)) == ["z (forward)"]
    assert covariance.weak_axes(np.diag([1.0, 36.0, 1.0, 0.0, np.nan, 0.0]), 5.0, 0.1) == [
        "y (down) 6 m",
        "rotation about y nan deg",
    ]


@pytest.mark.parametrize("bad", [np.full((6, 6), np.nan), np.full((6, 6), np.inf), np.eye(3)])
@pytest.mark.parametrize("diagonal", [False, True])
def test_row_58_a_covariance_that_is_not_finite_is_not_published(bad: np.ndarray, diagonal: bool) -> None:
    with pytest.raises(InputError, match="publish no pose"):
        covariance.published(bad, diagonal)


def test_a_shift_turns_rotation_into_translation() -> None:
    only_rotation = np.diag([0.0] * 3 + [1e-4] * 3)
    shifted = covariance.with_origin(only_rotation, POSE, SHIFT)
    arm = skew(POSE.rotation @ SHIFT)
    np.testing.assert_allclose(shifted[:3, :3], 1e-4 * arm @ arm.T, atol=1e-12)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Costs, poses, samples and gradients of the differentiable PnP, against scipy and finite differences."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from scipy.special import huber
from scipy.stats import multivariate_t
from torch import Tensor

from i2p_ros.core.geometry import Pose
from i2p_ros.pnp.probabilistic import (
    Poses,
    Problems,
    _StudentT,
    cost,
    derivative_losses,
    exp_so3,
    jacobian,
    log_integral,
    normal_equations,
    pose_losses,
    residuals,
    sample,
    solve,
)

FOCAL = 90.0


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def street(b: int = 1, n: int = 100, seed: int = 0, noise: float = 0.5, outliers: int = 0) -> Problems:
    """Points at 5 to 40 m in the frame of the true camera and their pixels; the last ones are wrong."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(5, 40, (b, n, 1))
    uv = rng.uniform(-0.5, 0.5, (b, n, 2)) * [128, 40]
    points = np.concatenate([uv / FOCAL * z, z], 2)
    uv = uv + noise * rng.standard_normal(uv.shape)
    uv[:, n - outliers :] = rng.uniform(-0.5, 0.5, (b, outliers, 2)) * [128, 40]
    parts = (torch.from_numpy(a) for a in (uv, points, np.full((b, n, 1), 1 / noise), np.full((b, 2), FOCAL)))
    return Problems(*parts)


def near(problems: Problems, seed: int = 5) -> Poses:
    """Poses some decimetres and degrees from the identity."""
    return Poses.identity(problems.points).retract(0.05 * normal(len(problems.uv), 1, 6, seed=seed))


def test_rotations_follow_scipy_and_have_a_gradient_at_zero() -> None:
    theta = torch.cat([normal(20, 3, seed=0), 1e-5 * normal(5, 3, seed=1), torch.zeros(1, 3, dtype=torch.float64)])
    np.testing.assert_allclose(exp_so3(theta), Rotation.from_rotvec(theta.numpy()).as_matrix(), atol=1e-12)
    zero = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(exp_so3, (zero,))


def test_poses_retract_as_the_package_does() -> None:
    pose, delta = Pose.from_rotvec([0.3, -0.2, 0.5], [1.0, 2.0, 3.0]), normal(6, seed=2)
    batched = Poses(torch.from_numpy(pose.rotation.copy())[None, None], torch.from_numpy(pose.translation.copy())[None])
    moved = batched.retract(delta[None, None])
    np.testing.assert_allclose(moved.rotation[0, 0], pose.retract(delta.numpy()).rotation, atol=1e-12)
    np.testing.assert_allclose(moved.translation[0, 0], pose.retract(delta.numpy()).translation, atol=1e-12)


def test_the_cost_is_the_huber_loss_of_weighted_distances() -> None:
    problems = street(2, 30, outliers=10)
    poses = near(problems)
    points = problems.in_camera_of(poses).points
    distance = (FOCAL * points[..., :2] / points[..., 2:] - problems.uv).norm(dim=2) * problems.weights[..., 0]
    spread = (problems.uv[..., 0].var(1, correction=0) + problems.uv[..., 1].var(1, correction=0)).sqrt()
    limit = 0.1 * problems.weights.mean((1, 2)) * spread
    expected = huber(limit[:, None].numpy(), distance.numpy()).sum(1)
    np.testing.assert_allclose(cost(problems, poses)[:, 0], expected, rtol=1e-12)


def test_the_jacobian_is_the_derivative_of_the_residuals_also_behind_the_camera() -> None:
    problems = street(1, 12)
    problems.points[0, :3] *= -1.0  # behind
    problems.points[0, 3] = torch.tensor([9.0, 0.5, 1.0])  # far outside the image
    poses = near(problems)
    by_autograd = torch.autograd.functional.jacobian(
        lambda delta: residuals(problems, poses.retract(delta))[0, 0], torch.zeros(1, 1, 6, dtype=torch.float64)
    )
    np.testing.assert_allclose(jacobian(problems, poses)[0, 0], by_autograd[:, :, 0, 0], atol=1e-9)
    assert (by_autograd[:3] == 0).all() and (by_autograd[3, 0] == 0).all() and (by_autograd[4:] != 0).any()


def test_the_solver_finds_the_minimum_that_scipy_finds() -> None:
    problems = street(3, 60, outliers=15, seed=3)
    far = Poses.identity(problems.points).retract(0.15 * normal(3, 1, 6, seed=1))
    moved = problems.in_camera_of(far)
    found = solve(moved, iterations=30)
    for b in range(3):
        one = replace(moved, **{k: getattr(moved, k)[b : b + 1] for k in ("uv", "points", "weights", "focal")})
        points, uv, limit = one.points[0].numpy(), one.uv[0].numpy(), float(one.limit)

        def roots(x: np.ndarray, points: np.ndarray = points, uv: np.ndarray = uv, limit: float = limit) -> np.ndarray:
            p = Rotation.from_rotvec(x[3:]).apply(points) + x[:3]
            return np.sqrt(2 * huber(limit, 2.0 * np.linalg.norm(FOCAL * p[:, :2] / p[:, 2:] - uv, axis=1)))

        judge = least_squares(roots, np.zeros(6), "3-point", xtol=1e-14, ftol=1e-14, gtol=1e-14, x_scale="jac")
        assert float(cost(moved, found)[b, 0]) == pytest.approx(judge.cost, rel=1e-5)
        np.testing.assert_allclose(found.translation[b, 0], judge.x[:3], atol=2e-3)
        np.testing.assert_allclose(found.rotation[b, 0], Rotation.from_rotvec(judge.x[3:]).as_matrix(), atol=2e-4)


def test_no_step_of_the_solver_raises_the_cost() -> None:
    problems = street(20, 16, outliers=12, seed=4)
    problems = problems.in_camera_of(Poses.identity(problems.points).retract(0.5 * normal(20, 1, 6, seed=13)))
    costs = torch.stack([cost(problems, solve(problems, k))[:, 0] for k in range(8)])
    assert (costs.diff(dim=0) <= 1e-9).all() and (costs[-1] < costs[0]).all()


def test_proposals_have_the_density_of_scipy_and_samples_of_it() -> None:
    factor = torch.linalg.cholesky(torch.cov(normal(6, 40, seed=6)))
    t = _StudentT(normal(1, 6, seed=7), factor[None])
    x = t.draw(20000, torch.Generator().manual_seed(0))
    judge = multivariate_t(t.mean[0].numpy(), (factor @ factor.T).numpy(), df=5)
    np.testing.assert_allclose(t.log_density(x[:, :50])[0], judge.logpdf(x[0, :50]), atol=1e-9)
    np.testing.assert_allclose(x[0].mean(0), t.mean[0], atol=0.05)
    np.testing.assert_allclose(torch.cov(x[0].T), 5 / 3 * factor @ factor.T, atol=0.25)


def test_samples_of_a_well_conditioned_problem_have_the_moments_and_the_integral_of_its_gaussian() -> None:
    problems = replace(street(30, noise=0.2), huber=1e3)
    about = problems.in_camera_of(solve(problems))
    samples = sample(about, torch.Generator().manual_seed(0))
    a = normal_equations(about, Poses.identity(about.points))[0]
    root = torch.linalg.cholesky(a).mT
    mean, covariance = samples.moments()
    np.testing.assert_allclose((root @ covariance @ root.mT).mean(0), np.eye(6), atol=0.1)
    assert (root @ mean[..., None]).abs().mean() < 0.1
    least = cost(about, Poses.identity(about.points))[:, 0]
    laplace = 3 * math.log(2 * math.pi) - 0.5 * torch.linalg.slogdet(a)[1] - least
    np.testing.assert_allclose(log_integral(about, samples), laplace, atol=0.2)


@pytest.mark.parametrize("away", [0.0, 10.0, 30.0])
def test_samples_are_effective_at_any_origin_of_the_cloud(away: float) -> None:
    problems = street(30)
    T_camera_lidar = Poses.identity(problems.points).retract(torch.tensor([[[away, 0, 0, 0.3, 1.0, -0.5]]]).double())
    R, t = T_camera_lidar.rotation, T_camera_lidar.translation
    in_lidar = replace(problems, points=((problems.points - t) @ R[0]))
    start = Poses(R.expand(30, 1, 3, 3), t.expand(30, 1, 3)).retract(0.02 * normal(30, 1, 6, seed=8))
    about = in_lidar.in_camera_of(start)
    samples = sample(about.in_camera_of(solve(about)), torch.Generator().manual_seed(0))
    assert samples.effective.median() >= 200


def fixed(problems: Problems, name: str, value: Tensor) -> Problems:
    return replace(problems, **{name: value})


@pytest.mark.parametrize("name", ["uv", "points", "weights"])
def test_gradients_follow_finite_differences(name: str) -> None:
    problems = street(2, 8, noise=1.0, outliers=2, seed=9)
    found = solve(problems, 20)
    samples = sample(problems.in_camera_of(found), torch.Generator().manual_seed(0))
    value = getattr(problems, name).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cost(fixed(problems, name, x), near(problems)), (value,))
    assert torch.autograd.gradcheck(
        lambda x: log_integral(fixed(problems, name, x).in_camera_of(found), samples), (value,)
    )
    assert torch.autograd.gradcheck(lambda x: derivative_losses(fixed(problems, name, x), found, 1.0), (value,))


def test_the_derivative_losses_are_distance_and_quaternion_losses() -> None:
    problems = street(1, 40, seed=14)
    found = solve(problems, 30)  # where a step moves nothing
    translation, rotation = derivative_losses(problems, found, 0.05)
    pose = Pose(found.rotation[0, 0].numpy(), found.translation[0, 0].numpy())
    distance = float(np.linalg.norm(pose.inverse().translation))
    assert float(translation) == pytest.approx(distance - 0.025 if distance > 0.05 else distance**2 / 0.1, rel=1e-3)
    assert float(rotation) == pytest.approx(2 * (1 - pose.quaternion[3] ** 2), rel=1e-3)


def test_the_differentiable_step_moves_as_the_minimum_does() -> None:
    problems = replace(street(1, 40, noise=0.1, seed=10), huber=1e3)
    found = solve(problems, 30)
    uv = problems.uv.clone().requires_grad_()
    _, rotation = derivative_losses(replace(problems, uv=uv), found, 1.0)
    (slope,) = torch.autograd.grad(rotation.sum(), uv)
    push = 1e-3 * normal(1, 40, 2, seed=11)
    moved = [solve(replace(problems, uv=problems.uv + sign * push), 30).rotation[0, 0] for sign in (1, -1)]
    change = sum(sign * (3.0 - R.trace()) / 2.0 for sign, R in zip((1, -1), moved, strict=True)) / 2.0
    assert float((slope * push).sum()) == pytest.approx(float(change), rel=0.02)


def test_weights_learned_from_the_loss_are_small_for_outliers() -> None:
    problems = street(1, 64, seed=12, outliers=16)
    logits = torch.zeros(64, requires_grad=True)
    scale = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([logits, scale], 0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        weights = 64 * logits.softmax(0) * scale.exp()
        loss = pose_losses(replace(problems, weights=weights[None, :, None]), generator=generator).monte_carlo.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = logits.detach().softmax(0)
    assert weights[48:].mean() < 0.3 * weights[:48].mean()


def test_gradients_return_in_the_type_of_the_inputs() -> None:
    problems = street(2, 20)
    weights = problems.weights.float().requires_grad_()
    pose_losses(replace(problems, weights=weights)).monte_carlo.sum().backward()
    assert weights.grad is not None and weights.grad.dtype == torch.float32 and (weights.grad != 0).any()


def degenerate(kind: str) -> Problems:
    problems = street(1, 3 if kind == "three" else 12)
    changes = {
        "three": {},
        "behind": {"points": -problems.points},
        "one point": {"points": problems.points[:, :1].expand(1, 12, 3), "uv": problems.uv[:, :1].expand(1, 12, 2)},
        "in the camera": {"points": torch.zeros(1, 12, 3)},
        "no weight": {"weights": torch.zeros(1, 12, 1)},
        "exact": {"uv": FOCAL * problems.points[..., :2] / problems.points[..., 2:]},
    }
    return replace(problems, **changes[kind])


@pytest.mark.parametrize("kind", ["three", "behind", "one point", "in the camera", "no weight", "exact"])
def test_losses_and_gradients_stay_finite(kind: str) -> None:
    problems = degenerate(kind)
    uv, weights = (getattr(problems, name).clone().requires_grad_() for name in ("uv", "weights"))
    losses = pose_losses(replace(problems, uv=uv, weights=weights), generator=torch.Generator().manual_seed(0))
    total = losses.monte_carlo + losses.translation + losses.rotation
    total.sum().backward()
    assert total.isfinite().all() and uv.grad.isfinite().all() and weights.grad.isfinite().all()

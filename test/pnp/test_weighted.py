# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of weighted matches against the batched PnP of training, which is in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from i2p_ros.core.geometry import Array, Pose
from i2p_ros.pnp.probabilistic import Poses, Problems, cost, normal_equations, sample, solve
from i2p_ros.pnp.weighted import WeightedMatches
from i2p_ros.pnp.weighted_kernels import costs, linearised

FOCAL = np.array([180.0, 175.0])


def matches(seed: int, noise: float = 0.5, wrong: int = 6, behind: int = 2) -> tuple[WeightedMatches, Problems]:
    """The same matches for both, with the points in the frame of the true camera: some are wrong, some behind it."""
    rng = np.random.default_rng(seed)
    uv = rng.uniform([-120, -40], [120, 40], (64, 2))
    depth = rng.uniform(4.0, 30.0, (64, 1))
    points = np.concatenate([uv / FOCAL * depth, depth], axis=1)
    points[:behind, 2] *= -1.0
    uv[-wrong:] += 30.0 * rng.normal(size=(wrong, 2))
    given = uv + noise * rng.normal(size=uv.shape), points, rng.uniform(0.5, 1.5, (64, 2)) / noise, FOCAL
    uv, points, weights, focal = (torch.from_numpy(values)[None] for values in given)
    return WeightedMatches(*given), Problems(uv, points, weights, focal)


@pytest.mark.parametrize("seed", range(4))
def test_costs_and_normal_equations_are_those_of_the_training(seed: int) -> None:
    one, many = matches(seed)
    rng = np.random.default_rng(seed)
    poses = [Pose.from_rotvec(0.1 * rng.normal(size=3), rng.normal(size=3)) for _ in range(5)]
    rotations, translations = (np.array([getattr(p, n) for p in poses]) for n in ("rotation", "translation"))
    found = costs(one.points, one.uv, one.weights, one.focal, one.limit, rotations, translations)
    expected = cost(many, Poses(torch.from_numpy(rotations)[None], torch.from_numpy(translations)[None]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    a, gradient, at_start = linearised(one.points, one.uv, one.weights, one.focal, one.limit)
    start = Poses.identity(many.points)
    of_training = normal_equations(many, start)
    np.testing.assert_allclose(a, of_training[0][0], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(gradient, of_training[1][0], rtol=1e-9, atol=1e-6)
    assert at_start == pytest.approx(float(cost(many, start)[0, 0]), rel=1e-9)


def moments(many: Problems) -> tuple[Pose, Array]:
    """Posterior mean and covariance by the sampler of the training, with many more samples than one call has."""
    mode = solve(many, 20)
    about = many.in_camera_of(mode)
    draws = [sample(about, torch.Generator().manual_seed(seed)) for seed in range(30)]
    mean, covariance = (
        torch.stack(each).mean(0)[0].numpy() for each in zip(*(d.moments() for d in draws), strict=True)
    )
    found = Pose(mode.rotation[0, 0].numpy(), mode.translation[0, 0].numpy())
    return Pose.from_rotvec(mean[3:], mean[:3]) @ found, covariance


@pytest.mark.parametrize("seed", range(4))
def test_mean_and_covariance_are_those_of_the_posterior(seed: int) -> None:
    one, many = matches(seed, behind=0)  # such a match has minima of its own near the camera
    far = Pose.from_rotvec([0.0, 3.0, 0.0], [0.0, 0.0, 200.0])  # another start, from which nothing is found
    pose, covariance = one.pose([far, Pose.from_rotvec([0.02, -0.03, 0.01], [0.3, -0.2, 0.4])])
    expected, of_expected = moments(many)
    std = np.sqrt(np.diag(of_expected))
    assert (np.abs((pose @ expected.inverse()).log()) < 0.4 * std).all()
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), std, rtol=0.35)


def test_the_same_matches_give_the_same_answer() -> None:
    one, _ = matches(0)
    (pose, covariance), (again, of_again) = (one.pose([Pose.identity()]) for _ in range(2))
    assert (pose.matrix == again.matrix).all() and (covariance == of_again).all()

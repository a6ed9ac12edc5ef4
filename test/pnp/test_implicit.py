# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of least cost as a differentiable function of its matches, against solving anew (finite differences)."""

import pytest
import torch
from torch import Tensor

from i2p_ros.pnp.probabilistic import Poses, Problems, implicit, solve

STEP = 1e-4


def problem(noise: float = 2.0) -> Problems:
    generator = torch.Generator().manual_seed(0)
    depth = 2.0 + 6.0 * torch.rand(1, 20, 1, generator=generator, dtype=torch.float64)
    tangents = torch.rand(1, 20, 2, generator=generator, dtype=torch.float64) - 0.5
    focal = torch.tensor([[150.0, 140.0]], dtype=torch.float64)
    uv = tangents * focal + noise * torch.randn(1, 20, 2, generator=generator, dtype=torch.float64)
    weights = 0.2 + torch.rand(1, 20, 1, generator=generator, dtype=torch.float64)
    return Problems(uv, torch.cat([tangents * depth, depth], 2), weights, focal, huber=1.0)


def coordinates(problems: Problems, poses: Poses) -> Tensor:
    """(6,) of the pose about the identity: its translation, and the skew part of its rotation."""
    R = poses.rotation[0, 0]
    return torch.cat([poses.translation[0, 0], torch.stack([R[2, 1], R[0, 2], R[1, 0]])])


@pytest.mark.parametrize("name", ["uv", "points", "weights"])
def test_the_gradient_is_that_of_solving_anew(name: str) -> None:
    """With residuals of some pixels, where the derivative of one Gauss-Newton step is another one."""
    generator = torch.Generator().manual_seed(1)
    given = problem()
    direction = torch.randn(getattr(given, name).shape, generator=generator, dtype=torch.float64)

    def solved(step: float) -> Tensor:
        parts = {n: getattr(given, n) for n in ("uv", "points", "weights", "focal")}
        parts[name] = parts[name] + step * direction
        moved = Problems(**parts, huber=1.0)
        return coordinates(moved, implicit(moved, solve(moved, 60)))  # a Newton step: digits that a cost cannot tell

    expected = (solved(STEP) - solved(-STEP)) / (2.0 * STEP)
    variable = getattr(given, name).clone().requires_grad_()
    parts = {n: getattr(given, n) for n in ("uv", "points", "weights", "focal")} | {name: variable}
    poses = implicit(Problems(**parts, huber=1.0), solve(given, 60))
    rows = [torch.autograd.grad(x, variable, retain_graph=True)[0] for x in coordinates(given, poses)]
    found = torch.stack([(row * direction).sum() for row in rows])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    assert bool((expected.abs() > 1e-6).all())


def test_the_pose_itself_stays() -> None:
    given = problem()
    found = solve(given, 60)
    again = implicit(given, found)
    torch.testing.assert_close(coordinates(given, again), coordinates(given, found), atol=1e-9, rtol=0.0)

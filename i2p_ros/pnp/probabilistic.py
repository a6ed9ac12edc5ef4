# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Probabilistic PnP for learning: batched and differentiable in pixels, points, weights (EPro-PnP, Chen et al. 2022).

The posterior of a pose is exp(-cost). `pose_losses` is the method, one line per step. Poses are written in the frame
of a known camera (the true one, then the estimated one), so that the origin of the map lies in the camera, where
translation and rotation are least correlated. All numbers are float64 inside; gradients go back to the type given.

What differs from the published method and why: one joint Student-t over (dt, theta) instead of independent proposals
of translation and rotation, which are strongly correlated and leave a few effective samples of 512.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.camera import MIN_DEPTH

MAX_TANGENT = 3.0  # projections beyond 72 deg are moved there: behind the camera a metre would be thousands of pixels
LOOSE = (20.0, 20.0, 20.0, 1.0, 1.0, 1.0)  # m, rad: deviations where the matches say nothing
ROUNDS, DRAWN = 4, 128  # of adaptive importance sampling, samples of each
FREEDOM = 5  # degrees of freedom of the proposals: tails heavy enough to cover another shape
WIDER = 1.5  # first proposal, to the covariance of the linearised problem


@dataclass(frozen=True)
class Poses:
    """`rotation` (B, S, 3, 3) and `translation` (B, S, 3): S poses for each of B problems."""

    rotation: Tensor
    translation: Tensor

    @staticmethod
    def identity(like: Tensor) -> Poses:
        """One pose for each row of `like` (B, ...), which changes nothing."""
        return Poses(exp_so3(like.new_zeros(len(like), 1, 3)), like.new_zeros(len(like), 1, 3))

    def retract(self, delta: Tensor) -> Poses:
        """Exp(theta) R and t + dt for delta (B, S, 6) = (dt, theta), as `Pose.retract`."""
        return Poses(exp_so3(delta[..., 3:]) @ self.rotation, self.translation + delta[..., :3])

    def turned(self, points: Tensor) -> Tensor:
        """(B, S, N, 3) points (B, N, 3) after the rotation alone."""
        return points[:, None] @ self.rotation.mT

    def where(self, chosen: Tensor, other: Poses) -> Poses:
        """These poses where chosen (B, S) holds, the other ones elsewhere."""
        rotation = torch.where(chosen[..., None, None], self.rotation, other.rotation)
        return Poses(rotation, torch.where(chosen[..., None], self.translation, other.translation))


@dataclass(frozen=True)
class Problems:
    """B problems of N matches: `uv` (B, N, 2) px from the principal point, `points` (B, N, 3) m in the frame of a
    camera, `weights` (B, N, 2) or (B, N, 1) in 1/px, ideally one by the deviation, `focal` (B, 2) px.

    `huber` is where the cost turns linear: a share of the spread of the pixels, times the mean weight.
    """

    uv: Tensor
    points: Tensor
    weights: Tensor
    focal: Tensor
    huber: float = 0.1

    def __post_init__(self) -> None:
        for name in ("uv", "points", "weights", "focal"):
            object.__setattr__(self, name, getattr(self, name).double())

    @property
    def limit(self) -> Tensor:
        """(B, 1, 1) weighted distance up to which the cost is quadratic (EPro-PnP's adaptive Huber kernel)."""
        spread = self.uv.var(1, correction=0).sum(1).clamp(min=1.0).sqrt()
        return (self.huber * self.weights.mean((1, 2)) * spread).clamp(min=1e-9)[:, None, None]

    def detached(self) -> Problems:
        """The same problems without gradients."""
        parts = {name: getattr(self, name).detach() for name in ("uv", "points", "weights", "focal")}
        return replace(self, **parts)

    def seen_from(self, poses: Poses) -> Problems:
        """The same problems with the points in the frame of the camera at poses (B, 1)."""
        return replace(self, points=(poses.turned(self.points) + poses.translation[:, :, None])[:, 0])


def exp_so3(theta: Tensor) -> Tensor:
    """(..., 3, 3) rotations of rotation vectors theta (..., 3) rad, by Rodrigues' formula."""
    angle2 = theta.square().sum(-1)[..., None, None]
    small = angle2 < 1e-8  # series: the closed form loses digits here, and its gradient is 0/0
    angle = torch.where(small, 1.0, angle2).sqrt()
    a = torch.where(small, 1.0 - angle2 / 6.0, angle.sin() / angle)
    b = torch.where(small, 0.5 - angle2 / 24.0, (1.0 - angle.cos()) / angle**2)
    x, y, z = theta.unbind(-1)
    o = torch.zeros_like(x)
    skew = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).unflatten(-1, (3, 3))
    eye = torch.eye(3, dtype=theta.dtype, device=theta.device)
    return (1.0 - b * angle2) * eye + a * skew + b * theta[..., :, None] * theta[..., None, :]


def _tangents(p: Tensor) -> tuple[Tensor, Tensor]:
    """x/z, y/z (..., 2) of points (..., 3), and whether they follow the point: not when it is behind or far outside."""
    tangent = p[..., :2] / p[..., 2:].clamp(min=MIN_DEPTH)
    free = (p[..., 2:] > MIN_DEPTH) & (tangent.abs() < MAX_TANGENT)
    return torch.where(free, tangent, tangent.detach().clamp(-MAX_TANGENT, MAX_TANGENT)), free


def residuals(problems: Problems, poses: Poses) -> Tensor:
    """(B, S, N, 2) weighted projection minus pixel."""
    tangent, _ = _tangents(poses.turned(problems.points) + poses.translation[:, :, None])
    return problems.weights[:, None] * (problems.focal[:, None, None] * tangent - problems.uv[:, None])


def jacobian(problems: Problems, poses: Poses) -> Tensor:
    """(B, S, N, 2, 6) derivative of `residuals` by (dt, theta) of `Poses.retract`: w [a, (R x) x a], a = d pixel / d
    point, zero where the projection is held."""
    turned = poses.turned(problems.points)
    p = turned + poses.translation[:, :, None]
    tangent, free = _tangents(p)
    scale = free * problems.weights[:, None] * problems.focal[:, None, None] / p[..., 2:].clamp(min=MIN_DEPTH)
    towards = torch.cat([torch.eye(2).to(p).expand(*tangent.shape, 2), -tangent[..., None]], -1)
    a = scale[..., None] * towards
    return torch.cat([a, torch.linalg.cross(turned[..., None, :].expand_as(a), a)], -1)


def cost(problems: Problems, poses: Poses) -> Tensor:
    """(B, S) minus the log of the posterior, but for a constant: the sum of Huber losses of weighted distances."""
    squared, limit = residuals(problems, poses).square().sum(-1), problems.limit
    linear = limit * torch.maximum(squared, limit**2).sqrt() - 0.5 * limit**2
    return torch.where(squared <= limit**2, 0.5 * squared, linear).sum(-1)


def normal_equations(problems: Problems, poses: Poses) -> tuple[Tensor, Tensor]:
    """J^T H J (B, 6, 6) and J^T H f (B, 6) at poses (B, 1), H = min(1, limit / distance) of the Huber loss."""
    f, j = residuals(problems, poses)[:, 0], jacobian(problems, poses)[:, 0]
    limit = problems.limit[:, 0]
    h = limit / torch.maximum(f.square().sum(-1), limit**2).sqrt()
    weighted = (h[..., None, None] * j).flatten(1, 2).mT
    return weighted @ j.flatten(1, 2), (weighted @ f.flatten(1)[..., None])[..., 0]


def _held(a: Tensor) -> Tensor:
    """The normal matrix with the weakest of priors, so that it has an inverse whatever the matches."""
    return a + torch.diag(torch.tensor(LOOSE, dtype=a.dtype, device=a.device) ** -2)


@torch.no_grad()
def solve(problems: Problems, iterations: int = 10) -> Poses:
    """(B, 1) poses of least cost by Levenberg-Marquardt from the identity; a step that gains nothing is not taken."""
    poses = Poses.identity(problems.points)
    loss = cost(problems, poses)
    damping = torch.full_like(loss, 1e-4)
    for _ in range(iterations):
        a, gradient = normal_equations(problems, poses)
        scale = torch.diag_embed(a.diagonal(dim1=1, dim2=2) * damping + 1e-9)
        trial = poses.retract(-torch.linalg.solve(a + scale, gradient)[:, None])
        trial_loss = cost(problems, trial)
        better = trial_loss <= loss
        poses, loss = trial.where(better, poses), torch.where(better, trial_loss, loss)
        damping = (damping * torch.where(better, 0.1, 10.0)).clamp(1e-9, 1e9)
    return poses


@dataclass(frozen=True)
class _StudentT:
    """Joint Student-t densities of (dt, theta): `mean` (B, 6), `factor` (B, 6, 6) lower, of the scale matrix."""

    mean: Tensor
    factor: Tensor

    def drawn(self, count: int, generator: torch.Generator | None) -> Tensor:
        """(B, count, 6) samples."""
        z = self.mean.new_empty(len(self.mean), count, 6 + FREEDOM).normal_(generator=generator)
        z, chi2 = z[..., :6], z[..., 6:].square().sum(-1, keepdim=True)
        return self.mean[:, None] + z @ self.factor.mT * (FREEDOM / chi2).sqrt()

    def log_density(self, x: Tensor) -> Tensor:
        """(B, K) of x (B, K, 6)."""
        z = torch.linalg.solve_triangular(self.factor, (x - self.mean[:, None]).mT, upper=False)
        volume = self.factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
        constant = math.lgamma((FREEDOM + 6) / 2) - math.lgamma(FREEDOM / 2) - 3 * math.log(FREEDOM * math.pi)
        return constant - volume - (FREEDOM + 6) / 2 * (z.square().sum(1) / FREEDOM).log1p()


@dataclass(frozen=True)
class Samples:
    """K weighted samples of each posterior: `delta` (B, K, 6) = (dt, theta) about the identity, `log_density` (B, K) of
    the mixture that they were drawn from, `log_weight` (B, K)."""

    delta: Tensor
    log_density: Tensor
    log_weight: Tensor

    @property
    def effective(self) -> Tensor:
        """(B,) effective sample size: 1 / sum of squared normalised weights."""
        return 1.0 / self.log_weight.softmax(1).square().sum(1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (B, 6) and covariance (B, 6, 6) of the posterior."""
        w = self.log_weight.softmax(1)[..., None]
        mean = (w * self.delta).sum(1)
        centred = self.delta - mean[:, None]
        return mean, (w * centred).mT @ centred / (1.0 - w.square().sum(1)).clamp(min=1e-3)[..., None]


@torch.no_grad()
def sample(problems: Problems, generator: torch.Generator | None = None) -> Samples:
    """Adaptive multiple importance sampling (Cornuet et al. 2012) of posteriors whose mode is about the identity."""
    origin = Poses.identity(problems.points)
    spread = torch.linalg.inv(_held(normal_equations(problems, origin)[0]))
    proposals = [_StudentT(origin.translation.new_zeros(len(spread), 6), torch.linalg.cholesky(WIDER * spread))]
    delta, costs = spread.new_zeros(len(spread), 0, 6), spread.new_zeros(len(spread), 0)
    for _ in range(ROUNDS):
        new = proposals[-1].drawn(DRAWN, generator)
        delta, costs = torch.cat([delta, new], 1), torch.cat([costs, cost(problems, origin.retract(new))], 1)
        log_density = torch.stack([p.log_density(delta) for p in proposals]).logsumexp(0) - math.log(len(proposals))
        samples = Samples(delta, log_density, -costs - log_density)
        proposals.append(_refitted(samples, spread))
    return samples


def _refitted(samples: Samples, spread: Tensor) -> _StudentT:
    """The proposal of the samples' moments, and of the first covariance so far as few samples carry the weight."""
    mean, covariance = samples.moments()
    trust = (samples.effective / (samples.effective + 6.0))[:, None, None]
    return _StudentT(mean, torch.linalg.cholesky(trust * covariance + (1.0 - trust) * spread))


def log_integral(problems: Problems, samples: Samples) -> Tensor:
    """(B,) log of the integral of exp(-cost) over (dt, theta); its gradient is minus that of the cost, averaged over
    the posterior. Where matches leave the pose open, it reaches as far as the samples do."""
    costs = cost(problems, Poses.identity(problems.points).retract(samples.delta))
    return (-costs - samples.log_density).logsumexp(1) - math.log(costs.shape[1])


def derivative_losses(problems: Problems, found: Poses, beta: float) -> tuple[Tensor, Tensor]:
    """(B,) smooth-L1 distance (m, linear beyond beta) and 2 (1 - <q, q_true>^2) = 1 - cos(angle) to the true pose, the
    identity, after one differentiable Gauss-Newton step from `found` (B, 1), which carries no gradient."""
    a, gradient = normal_equations(problems, found)
    stepped = found.retract(-torch.linalg.solve(_held(a), gradient)[:, None])
    distance = (stepped.translation[:, 0].square().sum(1) + 1e-12).sqrt()  # of the two cameras: one is the origin
    trace = stepped.rotation[:, 0].diagonal(dim1=1, dim2=2).sum(1)
    return F.smooth_l1_loss(distance, torch.zeros_like(distance), beta=beta, reduction="none"), (3.0 - trace) / 2.0


@dataclass(frozen=True)
class PoseLosses:
    """Each (B,): `monte_carlo`, `translation`, `rotation`, and the `effective` number of samples."""

    monte_carlo: Tensor
    translation: Tensor
    rotation: Tensor
    effective: Tensor


def pose_losses(problems: Problems, beta: float = 1.0, generator: torch.Generator | None = None) -> PoseLosses:
    """The losses of problems whose points are in the frame of the true camera (EPro-PnP, eq. 6 to 11).

    `monte_carlo` is minus the log of the posterior at the true pose; the other two keep its mode there.
    """
    found = solve(problems.detached())
    about = problems.seen_from(found)
    samples = sample(about.detached(), generator)
    truth = cost(problems, Poses.identity(problems.points))[:, 0]
    translation, rotation = derivative_losses(problems, found, beta)
    return PoseLosses(truth + log_integral(about, samples), translation, rotation, samples.effective)

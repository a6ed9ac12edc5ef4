# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Probabilistic PnP for training: batched, and differentiable in pixels, points and weights (EPro-PnP, Chen et al.
2022).

The posterior of a pose is exp(-cost). `pose_losses` is the method, one line per step. Points are given in the frame of
the true camera, then in that of the estimated one. The origin is then at the camera, where translation and rotation are
least correlated. All arithmetic is float64. Gradients have the type of the inputs.

One thing differs from the published method: the proposals are joint Student-t densities over (dt, theta). With separate
proposals for translation and rotation, which are strongly correlated, few of 512 samples are effective.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.pnp.weighted import HUBER, WEAKEST_PRIOR_STD
from i2p_ros.pnp.weighted_kernels import MAX_TANGENT

ROUNDS, SAMPLES_PER_ROUND = 4, 128  # of adaptive importance sampling
DOF = 5  # degrees of freedom of the proposals: their tails must be heavier than those of the posterior
FIRST_SCALE = 1.5  # factor of the covariance of the linearised problem in the first proposal


@dataclass(frozen=True)
class Poses:
    """`rotation` (B, S, 3, 3) and `translation` (B, S, 3): S poses for each of B problems."""

    rotation: Tensor
    translation: Tensor

    @staticmethod
    def identity(like: Tensor) -> Poses:
        """Identity poses (B, 1), with the type and device of `like` (B, ...)."""
        return Poses(exp_so3(like.new_zeros(len(like), 1, 3)), like.new_zeros(len(like), 1, 3))

    def retract(self, delta: Tensor) -> Poses:
        """Poses Exp(theta) R and t + dt for delta (B, S, 6) = (dt, theta), as in `Pose.retract`."""
        return Poses(exp_so3(delta[..., 3:]) @ self.rotation, self.translation + delta[..., :3])

    def rotated(self, points: Tensor) -> Tensor:
        """Points (B, S, N, 3) of points (B, N, 3) after the rotation alone."""
        return points[:, None] @ self.rotation.mT

    def where(self, chosen: Tensor, other: Poses) -> Poses:
        """These poses where `chosen` (B, S) holds, the other poses elsewhere."""
        rotation = torch.where(chosen[..., None, None], self.rotation, other.rotation)
        return Poses(rotation, torch.where(chosen[..., None], self.translation, other.translation))


@dataclass(frozen=True)
class Problems:
    """B problems of N matches.

    `uv` (B, N, 2) are px from the principal point, `points` (B, N, 3) are m in the frame of a camera, `weights`
    (B, N, 2) or (B, N, 1) are in 1/px, ideally inverse deviations, and `focal` (B, 2) is in px. `huber` gives the limit
    of the Huber loss, as a share of the deviation of the pixels times the mean weight.
    """

    uv: Tensor
    points: Tensor
    weights: Tensor
    focal: Tensor
    huber: float = HUBER

    def __post_init__(self) -> None:
        for name in ("uv", "points", "weights", "focal"):
            object.__setattr__(self, name, getattr(self, name).double())

    @property
    def limit(self) -> Tensor:
        """Weighted distance (B, 1, 1) up to which the cost is quadratic (adaptive Huber kernel of EPro-PnP)."""
        spread = self.uv.var(1, correction=0).sum(1).clamp(min=1.0).sqrt()
        return (self.huber * self.weights.mean((1, 2)) * spread).clamp(min=1e-9)[:, None, None]

    def detached(self) -> Problems:
        """The same problems without gradients."""
        parts = {name: getattr(self, name).detach() for name in ("uv", "points", "weights", "focal")}
        return replace(self, **parts)

    def in_camera_of(self, poses: Poses) -> Problems:
        """The same problems with the points in the frames of the cameras at poses (B, 1)."""
        return replace(self, points=(poses.rotated(self.points) + poses.translation[:, :, None])[:, 0])


def exp_so3(theta: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of rotation vectors theta (..., 3), rad, by Rodrigues' formula."""
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
    """Tangents x/z, y/z (..., 2) of points (..., 3), and a mask (..., 2) of those that are not clamped.

    Tangents of points behind the camera or far outside its view are clamped, and have no gradient.
    """
    tangent = p[..., :2] / p[..., 2:].clamp(min=MIN_DEPTH)
    free = (p[..., 2:] > MIN_DEPTH) & (tangent.abs() < MAX_TANGENT)
    return torch.where(free, tangent, tangent.detach().clamp(-MAX_TANGENT, MAX_TANGENT)), free


def residuals(problems: Problems, poses: Poses) -> Tensor:
    """Weighted residuals (B, S, N, 2): projection minus pixel, times weight."""
    tangent, _ = _tangents(poses.rotated(problems.points) + poses.translation[:, :, None])
    return problems.weights[:, None] * (problems.focal[:, None, None] * tangent - problems.uv[:, None])


def jacobian(problems: Problems, poses: Poses) -> Tensor:
    """Derivative (B, S, N, 2, 6) of `residuals` by (dt, theta) of `Poses.retract`: w [a, (R x) x a].

    a is the derivative of the pixel by the point. The derivative is zero where the projection is clamped.
    """
    rotated = poses.rotated(problems.points)
    p = rotated + poses.translation[:, :, None]
    tangent, free = _tangents(p)
    scale = free * problems.weights[:, None] * problems.focal[:, None, None] / p[..., 2:].clamp(min=MIN_DEPTH)
    towards = torch.cat([torch.eye(2).to(p).expand(*tangent.shape, 2), -tangent[..., None]], -1)
    a = scale[..., None] * towards
    return torch.cat([a, torch.linalg.cross(rotated[..., None, :].expand_as(a), a)], -1)


def cost(problems: Problems, poses: Poses) -> Tensor:
    """Sum (B, S) of the Huber losses of weighted distances: minus the log posterior, up to a constant."""
    squared, limit = residuals(problems, poses).square().sum(-1), problems.limit
    linear = limit * torch.maximum(squared, limit**2).sqrt() - 0.5 * limit**2
    return torch.where(squared <= limit**2, 0.5 * squared, linear).sum(-1)


def normal_equations(problems: Problems, poses: Poses) -> tuple[Tensor, Tensor]:
    """J^T H J (B, 6, 6) and J^T H f (B, 6) at poses (B, 1), with H = min(1, limit / distance) of the Huber loss."""
    f, j = residuals(problems, poses)[:, 0], jacobian(problems, poses)[:, 0]
    limit = problems.limit[:, 0]
    h = limit / torch.maximum(f.square().sum(-1), limit**2).sqrt()
    weighted = (h[..., None, None] * j).flatten(1, 2).mT
    return weighted @ j.flatten(1, 2), (weighted @ f.flatten(1)[..., None])[..., 0]


def _regularised(a: Tensor) -> Tensor:
    """Normal matrix (B, 6, 6) with a very weak prior, so that it has an inverse for all matches."""
    return a + torch.diag(torch.tensor(WEAKEST_PRIOR_STD, dtype=a.dtype, device=a.device) ** -2)


@torch.no_grad()
def solve(problems: Problems, iterations: int = 10, start: Poses | None = None) -> Poses:
    """Poses (B, 1) of least cost by Levenberg-Marquardt from `start` (B, 1), or from the identity. Steps that raise the
    cost are not taken."""
    poses = start or Poses.identity(problems.points)
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


def implicit(problems: Problems, found: Poses) -> Poses:
    """The same poses (B, 1) of least cost, as a function of pixels, points and weights (implicit function theorem).

    At the minimum the gradient g of the cost is 0. So the pose moves by -H^-1 dg where the matches move, with H the
    Hessian of the cost. Here this is one Newton step from `found` whose H has no gradient. `found` must be a minimum.
    """
    with torch.enable_grad():
        delta = torch.zeros_like(problems.points[:, :1, :1]).repeat(1, 1, 6).requires_grad_()
        loss = cost(problems, found.retract(delta)).sum()
        (gradient,) = torch.autograd.grad(loss, delta, create_graph=True)
        rows = [torch.autograd.grad(g.sum(), delta, retain_graph=True)[0] for g in gradient.unbind(2)]
        step = torch.linalg.solve(_regularised(torch.cat(rows, 1).detach()), gradient[:, 0])
        return found.retract(-step[:, None])


@dataclass(frozen=True)
class _StudentT:
    """Joint Student-t densities of (dt, theta): `mean` (B, 6), Cholesky `factor` (B, 6, 6) of the scale matrix."""

    mean: Tensor
    factor: Tensor

    def draw(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Samples (B, count, 6)."""
        z = self.mean.new_empty(len(self.mean), count, 6 + DOF).normal_(generator=generator)
        z, chi2 = z[..., :6], z[..., 6:].square().sum(-1, keepdim=True)
        return self.mean[:, None] + z @ self.factor.mT * (DOF / chi2).sqrt()

    def log_density(self, x: Tensor) -> Tensor:
        """Log density (B, K) of x (B, K, 6)."""
        z = torch.linalg.solve_triangular(self.factor, (x - self.mean[:, None]).mT, upper=False)
        volume = self.factor.diagonal(dim1=1, dim2=2).log().sum(1, keepdim=True)
        constant = math.lgamma((DOF + 6) / 2) - math.lgamma(DOF / 2) - 3 * math.log(DOF * math.pi)
        return constant - volume - (DOF + 6) / 2 * (z.square().sum(1) / DOF).log1p()


@dataclass(frozen=True)
class Samples:
    """K weighted samples of each posterior: `delta` (B, K, 6) = (dt, theta) from the identity, `log_density` (B, K) of
    the mixture of proposals, and `log_weight` (B, K)."""

    delta: Tensor
    log_density: Tensor
    log_weight: Tensor

    @property
    def effective(self) -> Tensor:
        """Effective sample size (B,): 1 / sum of squared normalised weights."""
        return 1.0 / self.log_weight.softmax(1).square().sum(1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (B, 6) and covariance (B, 6, 6) of the posterior."""
        w = self.log_weight.softmax(1)[..., None]
        mean = (w * self.delta).sum(1)
        centred = self.delta - mean[:, None]
        return mean, (w * centred).mT @ centred / (1.0 - w.square().sum(1)).clamp(min=1e-3)[..., None]


@torch.no_grad()
def sample(problems: Problems, generator: torch.Generator | None = None) -> Samples:
    """Samples by adaptive multiple importance sampling (Cornuet et al. 2012) of posteriors whose mode is about the
    identity."""
    origin = Poses.identity(problems.points)
    spread = torch.linalg.inv(_regularised(normal_equations(problems, origin)[0]))
    proposals = [_StudentT(origin.translation.new_zeros(len(spread), 6), torch.linalg.cholesky(FIRST_SCALE * spread))]
    delta, costs = spread.new_zeros(len(spread), 0, 6), spread.new_zeros(len(spread), 0)
    for _ in range(ROUNDS):
        new = proposals[-1].draw(SAMPLES_PER_ROUND, generator)
        delta, costs = torch.cat([delta, new], 1), torch.cat([costs, cost(problems, origin.retract(new))], 1)
        log_density = torch.stack([p.log_density(delta) for p in proposals]).logsumexp(0) - math.log(len(proposals))
        samples = Samples(delta, log_density, -costs - log_density)
        proposals.append(_refitted(samples, spread))
    return samples


def _refitted(samples: Samples, spread: Tensor) -> _StudentT:
    """Proposal with the moments of the samples. Its covariance is blended with `spread` where few are effective."""
    mean, covariance = samples.moments()
    trust = (samples.effective / (samples.effective + 6.0))[:, None, None]
    return _StudentT(mean, torch.linalg.cholesky(trust * covariance + (1.0 - trust) * spread))


def log_integral(problems: Problems, samples: Samples) -> Tensor:
    """Log of the integral (B,) of exp(-cost) over (dt, theta).

    Its gradient is minus the gradient of the cost, averaged over the posterior. The integral is over the region of the
    samples, which matters where the matches do not constrain the pose.
    """
    costs = cost(problems, Poses.identity(problems.points).retract(samples.delta))
    return (-costs - samples.log_density).logsumexp(1) - math.log(costs.shape[1])


def derivative_losses(problems: Problems, found: Poses, beta: float) -> tuple[Tensor, Tensor]:
    """Losses (B,) of translation and of rotation after one differentiable Gauss-Newton step from `found` (B, 1).

    The true pose is the identity. The first loss is the smooth-L1 distance (m, linear beyond beta), the second is
    2 (1 - <q, q_true>^2) = 1 - cos(angle). `found` has no gradient.
    """
    a, gradient = normal_equations(problems, found)
    stepped = found.retract(-torch.linalg.solve(_regularised(a), gradient)[:, None])
    distance = (stepped.translation[:, 0].square().sum(1) + 1e-12).sqrt()  # the true camera is at 0
    trace = stepped.rotation[:, 0].diagonal(dim1=1, dim2=2).sum(1)
    return F.smooth_l1_loss(distance, torch.zeros_like(distance), beta=beta, reduction="none"), (3.0 - trace) / 2.0


@dataclass(frozen=True)
class PoseLosses:
    """Losses `monte_carlo`, `translation` and `rotation`, and the `effective` sample size, each (B,)."""

    monte_carlo: Tensor
    translation: Tensor
    rotation: Tensor
    effective: Tensor


def pose_losses(
    problems: Problems, beta: float = 1.0, generator: torch.Generator | None = None, start: Poses | None = None
) -> PoseLosses:  # fmt: skip
    """Losses of problems whose points are in the frame of the true camera (EPro-PnP, eq. 6 to 11).

    `monte_carlo` is minus the log posterior at the true pose. The other two move the mode of the posterior there. The
    mode is searched from `start` (B, 1), or from the true pose.
    """
    found = solve(problems.detached(), start=start)
    about = problems.in_camera_of(found)
    samples = sample(about.detached(), generator)
    truth = cost(problems, Poses.identity(problems.points))[:, 0]
    translation, rotation = derivative_losses(problems, found, beta)
    return PoseLosses(truth + log_integral(about, samples), translation, rotation, samples.effective)

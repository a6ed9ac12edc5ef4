# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pose loss: probabilistic PnP over matches that are drawn by their probabilities.

The solver refines on matches that agree with a robust start. Likewise the loss takes points whose best pixel is about
right. It also takes some that the network wrongly puts in view, so that weights learn to tell them apart. Least squares
over all matches would be no use, since in training most of them are wrong.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.pnp.probabilistic import Poses, Problems, pose_losses

CANDIDATES = 256  # points in view of an image whose best pixel is computed
AGREEING, MISTAKEN = 80, 16  # most points of an image: with the best pixel within GATE_PX, and out of view
GATE_PX = 6.0  # network pixels
MIN_AGREEING = 16  # agreeing points of an image whose pose is learned from
ASIDE = 1.5  # largest tangent of a mistaken point; its least depth is a metre, since nearer the cost has kinks
DRAW_SCALE = 80.0  # from similarity to a logit; at 20, as in the dense loss, nine of ten draws are wrong
START_SCALE = 0.05  # mean weight in 1/px at first: the best for trained weights, whose outliers count as well
BETA = 1.0  # m up to which the distance counts by its square
HOPELESS = 8.0  # smooth-L1 distance from which matches do not constrain the pose (published training script)
MONTE_CARLO, ROTATION = 0.1, 100.0  # weights beside 1 of the distance in m: gradients are then of similar size
MASKED = -1e4  # in place of a logit of -inf: the same softmax, and gradients stay finite


def _gumbel(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise of the same shape."""
    uniform = torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)
    return uniform.clamp_(min=1e-20).log_().neg_().clamp_(min=1e-20).log_().neg_()


def straight_through(logits: Tensor, tau: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """(..., P) one-hot choices drawn by the logits (Gumbel-max), with the gradient of the softmax of temperature tau.

    A logit of -inf is never drawn (where all are, each is as likely) and has no gradient. Jang et al. 2017, sect. 2.2.
    """
    noisy = (logits.clamp(min=MASKED) + _gumbel(logits, generator)) / tau
    soft = noisy.softmax(-1)
    hard = torch.zeros_like(soft).scatter_(-1, noisy.argmax(-1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def pixel_centres(pixels: Tensor, image: Tensor) -> Tensor:
    """(h w, 2) network pixels x, y of the centres of the cells of a descriptor map (B, D, h, w), row by row."""
    h, w = pixels.shape[-2:]
    y = (torch.arange(h, device=image.device) + 0.5) * (image.shape[-2] / h) - 0.5
    x = (torch.arange(w, device=image.device) + 0.5) * (image.shape[-1] / w) - 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)


def in_camera(batch: dict[str, Tensor]) -> Tensor:
    """(B, N, 3) points in the frame of the true camera, float64: T_camera_lidar may hold map coordinates."""
    T = batch["T_camera_lidar"].double()
    return batch["points"].double() @ T[:, :3, :3].mT + T[:, None, :3, 3]


@torch.no_grad()
def drawn_points(batch: dict[str, Tensor], out: dict[str, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (B, M) of drawn points, agreeing ones first, then mistaken ones, and whether each is of its kind.

    Points are drawn by their scores. Where a kind is rare, others fill its place. `points` (B, N, 3) are in the frame
    of the camera.
    """
    visible, n = batch["visible"], points.shape[1]
    scored = F.logsigmoid(out["point_scores"]) + _gumbel(out["point_scores"])
    candidates = scored.masked_fill(~visible, -torch.inf).topk(min(CANDIDATES, n)).indices
    similarity = out["points"].take_along_dim(candidates[..., None], 1) @ out["pixels"].flatten(2)
    best = pixel_centres(out["pixels"], batch["image"])[similarity.argmax(-1)]
    distance = (best - batch["uv"].take_along_dim(candidates[..., None], 1)).norm(dim=-1)
    agrees = (distance < GATE_PX) & visible.gather(1, candidates)
    chosen = agrees.double().topk(min(AGREEING, n)).indices
    aside = ~visible & (points[..., 2] > 1.0) & (points[..., :2].abs() < ASIDE * points[..., 2:]).all(-1)
    mistaken = scored.masked_fill(~aside, -torch.inf).topk(min(MISTAKEN, n)).indices
    rows = torch.cat([candidates.gather(1, chosen), mistaken], 1)
    return rows, torch.cat([agrees.gather(1, chosen), aside.gather(1, mistaken)], 1)


class PoseLoss(nn.Module):
    """Probabilistic PnP over drawn matches, and the learned scale (log of 1/px) of their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE)))

    def forward(self, batch: dict[str, Tensor], out: dict[str, Tensor], start: Poses | None = None) -> Tensor:
        """Scalar mean over the images whose matches constrain the pose; 0 where there is none. `start` (B, 1) are poses
        in the frames of the true cameras, from which the solver starts; without them it starts there.

        The Monte Carlo loss is divided by the scale, so that its gradients keep their size as weights sharpen.
        """
        problems, agreeing = self.problems(batch, out)
        losses = pose_losses(problems, BETA, start=start)
        sharpening = self.log_scale.detach().exp() / START_SCALE
        total = MONTE_CARLO * losses.monte_carlo / sharpening + losses.translation + ROTATION * losses.rotation
        usable = (agreeing >= MIN_AGREEING) & (losses.translation < HOPELESS)
        return (torch.where(usable, total, 0.0).sum() / usable.sum().clamp(min=1)).to(self.log_scale.dtype)

    def problems(self, batch: dict[str, Tensor], out: dict[str, Tensor]) -> tuple[Problems, Tensor]:
        """A pixel for each drawn point, weighted by similarity and both scores, and how many points agree (B,).

        Gradients reach descriptors, both scores and the scale.
        """
        points = in_camera(batch)
        rows, right = drawn_points(batch, out, points)
        similarity = out["points"].take_along_dim(rows[..., None], 1) @ out["pixels"].flatten(2)
        choice = straight_through(DRAW_SCALE * similarity)
        uv = choice @ pixel_centres(out["pixels"], batch["image"]) - batch["camera"][:, None, 2:]
        weights = right * (choice * similarity).sum(-1).clamp(0, 1) * out["point_scores"].gather(1, rows).sigmoid()
        weights = weights * (choice @ out["pixel_scores"].sigmoid().flatten(1)[..., None])[..., 0]
        weights = weights / weights.mean(1, keepdim=True).clamp(min=1e-9) * self.log_scale.exp()
        drawn = points.take_along_dim(rows[..., None], 1)
        return Problems(uv, drawn, weights[..., None], batch["camera"][:, :2]), right[:, :-MISTAKEN].sum(1)

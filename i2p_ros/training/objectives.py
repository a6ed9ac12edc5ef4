# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What VP2P learns from: the adaptive-weighted loss, a dense cross-entropy, intersection scores, the pose, and which
pose is the likeliest by its likeness."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.core.config import TrainingSettings
from i2p_ros.networks.vp2p import VP2PNetwork
from i2p_ros.training.alignment import alignment_loss
from i2p_ros.training.pose_loss import PoseLoss

MARGIN = 0.25  # m of the adaptive-weighted loss (VP2P-Match)
NOTHING = -1e4  # in place of -inf: its exponential is exactly zero in float32, and gradients stay finite
SAMPLED = 512  # visible points an image that are compared with each other, and with every pixel
UNSEEN = 256  # points out of view that are compared with every pixel
NOWHERE = 14.0  # the logit that training begins with
DENSE_SCALE = 20.0  # of the cross-entropy over pixels; matching's sub-pixel peak uses the same


def adaptive_weighted(similarity: Tensor, positive: Tensor, negative: Tensor, gamma: float) -> Tensor:
    """Scalar: mean over rows plus mean over columns of similarity (P, Q) in -1..1.

    softplus(LSE over positives of -g a_p (s - 0.75) + LSE over negatives of g a_n (s - 0.25)), a circle loss (Sun et
    al. 2020, eq. 6) with weights a_p = max(0, 1 + m - s), a_n = max(0, s + m) that carry no gradient.
    """
    s = similarity
    pull = -gamma * (1 + MARGIN - s.detach()).clamp(min=0) * (s - (1 - MARGIN))
    push = gamma * (s.detach() + MARGIN).clamp(min=0) * (s - MARGIN)
    pull, push = pull.masked_fill(~positive, NOTHING), push.masked_fill(~negative, NOTHING)
    rows = F.softplus(pull.logsumexp(1) + push.logsumexp(1)).mean()
    columns = F.softplus(pull.logsumexp(0) + push.logsumexp(0)).mean()
    return rows + columns


def map_coordinates(uv: Tensor, image: Tensor, pixels: Tensor) -> Tensor:
    """(B, N, 2) x, y on the descriptor map of network pixels uv (B, N, 2), no farther out than its outermost cells."""
    h, w = pixels.shape[-2:]
    size = torch.tensor([w, h]).to(uv)
    scaled = (uv + 0.5) * size / torch.tensor([image.shape[-1], image.shape[-2]]).to(uv) - 0.5
    return scaled.clamp(min=torch.zeros_like(size), max=size - 1)


def cells(uv: Tensor, image: Tensor, pixels: Tensor) -> Tensor:
    """(B, N) flat index of the cell of the descriptor map that each of the network pixels uv (B, N, 2) falls in."""
    x, y = map_coordinates(uv, image, pixels).round().long().unbind(-1)
    return y * pixels.shape[-1] + x


def located(logits: Tensor, place: Tensor, width: int, nowhere: Tensor) -> Tensor:
    """Scalar: cross-entropy of logits (P, h w) over the cells of a map and `nowhere` (), and places (P, 2) on it.

    A place between cells belongs to the four about it, as in bilinear interpolation, so that the expected cell of the
    softmax is the place itself: that is what matching reads off to less than a cell.
    """
    low = torch.stack([place[:, 0].floor(), place[:, 1].floor()], 1)
    share = place - low
    height = logits.shape[1] // width
    loss = torch.logaddexp(logits.logsumexp(1), nowhere)
    for right in (0, 1):
        for down in (0, 1):
            x, y = (low[:, 0].long() + right).clamp(max=width - 1), (low[:, 1].long() + down).clamp(max=height - 1)
            weight = (share[:, 0] if right else 1 - share[:, 0]) * (share[:, 1] if down else 1 - share[:, 1])
            loss = loss - weight * logits.gather(1, (y * width + x)[:, None])[:, 0]
    return loss.mean()


class Learner(nn.Module):
    """The network, and what is learned with it but not shipped. From a batch to its losses, of those parts that learn:
    as `vp2p_losses`, and `alignment`."""

    def __init__(self, net: VP2PNetwork, settings: TrainingSettings) -> None:
        super().__init__()
        self.net, self.settings = net, settings
        for name, module in net.named_children():
            module.requires_grad_(settings.parts in ("all", "alignment" if name == "likeness" else "matching"))
        self.nowhere = nn.Parameter(torch.tensor(NOWHERE))
        self.pose = PoseLoss() if settings.pose_weight > 0 else None

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Scalars by name, with their weighted sum `loss`."""
        losses = {} if self.settings.parts == "alignment" else self._matching(batch)
        if self.settings.parts != "matching":
            losses["alignment"] = alignment_loss(self.net.likeness(batch["channels"]).float(), batch)
            losses["loss"] = losses.get("loss", 0.0) + losses["alignment"]
        return losses

    def _matching(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out = self.net(batch["image"], batch["points"], batch["features"])
        losses = vp2p_losses(batch, out, self.settings, self.nowhere)
        if self.pose:
            losses["pose"] = self.pose(batch, out)
            losses["loss"] = losses["loss"] + self.settings.pose_weight * losses["pose"]
        return losses


def vp2p_losses(
    batch: dict[str, Tensor], out: dict[str, Tensor], s: TrainingSettings, nowhere: Tensor
) -> dict[str, Tensor]:
    """Scalars `match`, `dense`, `unseen` and `score`, and their weighted sum `loss`.

    `nowhere` () is the logit of a point being at no pixel, where those out of view belong (the dustbin of SuperGlue,
    Sarlin et al. 2020): so descriptors say too that an image does not show a point.
    """
    uv, visible = batch["uv"], batch["visible"]
    on_map, cell = (place(uv, batch["image"], out["pixels"]) for place in (map_coordinates, cells))
    match, dense, unseen = [], [], []
    for b in range(len(uv)):
        pixels = out["pixels"][b].flatten(1)
        hidden = (~visible[b]).nonzero()[:, 0]
        if len(hidden):
            hidden = hidden[torch.randperm(len(hidden), device=hidden.device)[:UNSEEN]]
            anywhere = (DENSE_SCALE * out["points"][b, hidden] @ pixels).logsumexp(1)
            unseen.append(F.softplus(anywhere - nowhere).mean())
        seen = visible[b].nonzero()[:, 0]
        if len(seen) < 32:
            continue
        seen = seen[torch.randperm(len(seen), device=seen.device)[:SAMPLED]]
        points = out["points"][b, seen]
        distance = torch.cdist(uv[b, seen], uv[b, seen])
        near, far = distance <= s.positive_px, distance > s.negative_px
        match.append(adaptive_weighted(pixels[:, cell[b, seen]].T @ points.T, near, far, s.gamma))
        dense.append(located(DENSE_SCALE * points @ pixels, on_map[b, seen], out["pixels"].shape[-1], nowhere))
    nothing = out["pixels"].sum() * 0
    losses = {
        "match": torch.stack(match).mean() if match else nothing,
        "dense": torch.stack(dense).mean() if dense else nothing,
        "unseen": torch.stack(unseen).mean() if unseen else nothing,
        "score": _score_loss(visible, cell, out),
    }
    dense_or_not = losses["dense"] + losses["unseen"]
    losses["loss"] = losses["match"] + s.dense_weight * dense_or_not + s.score_weight * losses["score"]
    return losses


def _score_loss(visible: Tensor, cell: Tensor, out: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of both intersection scores; a pixel counts as seen when a point falls in it or beside it."""
    logits = out["pixel_scores"]
    seen = torch.zeros_like(logits).flatten(1).scatter_reduce(1, cell, visible.to(logits.dtype), "amax")
    seen = F.max_pool2d(seen.view_as(logits)[:, None], 3, 1, 1)[:, 0]
    few = torch.tensor(2.0, device=logits.device)  # about one point in six is in view
    points = F.binary_cross_entropy_with_logits(out["point_scores"], visible.to(logits.dtype), pos_weight=few)
    return F.binary_cross_entropy_with_logits(logits, seen) + points

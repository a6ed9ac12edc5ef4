# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of VP2P: examples with labels, the adaptive-weighted loss, a dense cross-entropy, scores, the pose loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from i2p_ros.core.both import Lazy
from i2p_ros.core.config import TrainingSettings
from i2p_ros.core.types import Sample
from i2p_ros.families.base import Family
from i2p_ros.families.branches.inputs import OF_POINTS
from i2p_ros.networks.base import Arrays, FamilyNetwork, Tensors
from i2p_ros.pnp.probabilistic import Poses
from i2p_ros.training.families import Learner
from i2p_ros.training.pose_loss import PoseLoss

MARGIN = 0.25  # m of the adaptive-weighted loss (VP2P-Match)
NOTHING = -1e4  # in place of -inf: its exponential is exactly zero in float32, and gradients stay finite
SAMPLED = 512  # visible points of an image that are compared with each other, and with every pixel
ELSEWHERE = -1e4  # logit of a point being at no pixel, where those that are compared are all in view
UNSEEN = 256  # points out of view that are compared with every pixel
MIN_VISIBLE = 32  # visible points of an image that has matches to learn from
NOWHERE = 14.0  # initial logit of a point being at no pixel
UNSEEN_PX = -1e4  # in place of the pixel of a point that is behind the camera
DENSE_SCALE = 20.0  # of the cross-entropy over pixels; the sub-pixel peak of matching uses the same


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


def place_cross_entropy(logits: Tensor, place: Tensor, width: int, nowhere: Tensor) -> Tensor:
    """Scalar cross-entropy of places (P, 2) on a map, for logits (P, h w) over its cells and `nowhere` ().

    A place between cells belongs to the four around it, as in bilinear interpolation. The expected cell of the softmax
    is then the place itself, which matching reads to a fraction of a cell.
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


class VP2PLearner(Learner[Family[Any]]):
    """Learns descriptors and scores; `nowhere` and the scale of the pose loss are learned with the network."""

    def __init__(self, net: FamilyNetwork, settings: TrainingSettings) -> None:
        super().__init__(net, settings)
        self.nowhere = nn.Parameter(torch.tensor(NOWHERE))
        self.pose = PoseLoss() if settings.pose_weight > 0 else None

    @staticmethod
    def example(family: Family[Any], sample: Sample, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """`image`, `points` and `features`, near the prior of the sample if it has one, and their labels.

        `uv` (N, 2) are the network pixels of the points and `visible` (N,) whether they lie in the image. `camera` (4,)
        is fx, fy, cx, cy in network pixels. `T_camera_lidar` (4, 4) is that of the points as they are given.
        """
        assert sample.T_camera_lidar is not None
        guess = sample.prior.pose if sample.prior else None
        scene = family.prepare(sample.pair, rng)
        inputs = family.inputs(scene, guess)
        inputs = _filled(inputs, family.max_points or len(inputs["points"]), rng)
        T_camera_input = sample.T_camera_lidar @ family.input_frame(scene, guess).inverse()
        camera = family.input_camera(sample.pair.camera)
        uv, visible = camera.project(T_camera_input.apply(inputs["points"]))
        return {
            **scene.shared, **inputs,
            "uv": np.nan_to_num(uv, nan=UNSEEN_PX).astype(np.float32), "visible": visible,
            "camera": np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
            "T_camera_lidar": T_camera_input.matrix,
        }  # fmt: skip

    def matching(self, batch: Tensors, encoded: Lazy[Any]) -> Tensors:
        """As `losses`, of the network's outputs."""
        with self.half_precision():
            out = self.net.training_pass(encoded, batch)
        return self.losses(batch, out)

    def start(self, batch: Tensors, out: Tensors) -> Poses | None:
        """Poses that the pose loss searches from, in the frames of the true cameras; none for the true poses."""
        return None

    def losses(self, batch: Tensors, out: Tensors) -> Tensors:
        """As `vp2p_losses`, and `pose` where the settings give it a weight."""
        losses = vp2p_losses(batch, out, self.settings, self.nowhere)
        if self.pose:
            losses["pose"] = self.pose(batch, out, self.start(batch, out))
            losses["loss"] = losses["loss"] + self.settings.pose_weight * losses["pose"]
        return losses


def _filled(inputs: Arrays, points: int, rng: np.random.Generator) -> Arrays:
    """Inputs of `points` points. Random points are repeated where there are fewer: a batch needs equal numbers."""
    missing = points - len(inputs["points"])
    again = rng.integers(0, len(inputs["points"]), missing) if missing else np.zeros(0, np.int64)
    rows = {name: inputs[name] for name in OF_POINTS if name in inputs}
    return inputs | {name: np.concatenate([given, given[again]]) for name, given in rows.items()}


def vp2p_losses(batch: Tensors, out: Tensors, s: TrainingSettings, nowhere: Tensor) -> Tensors:
    """Scalars `match`, `dense`, `unseen` and `score`, and their weighted sum `loss`.

    `nowhere` () is the logit of a point being at no pixel, the right class of those out of view (the dustbin of
    SuperGlue, Sarlin et al. 2020). It teaches descriptors to tell that an image does not show a point.
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
        shown = visible[b].nonzero()[:, 0]
        if len(shown) < MIN_VISIBLE:
            continue
        shown = shown[torch.randperm(len(shown), device=shown.device)[:SAMPLED]]
        points = out["points"][b, shown]
        distance = torch.cdist(uv[b, shown], uv[b, shown])
        near, far = distance <= s.positive_px, distance > s.negative_px
        match.append(adaptive_weighted(pixels[:, cell[b, shown]].T @ points.T, near, far, s.gamma))
        logits, width = DENSE_SCALE * points @ pixels, out["pixels"].shape[-1]
        dense.append(place_cross_entropy(logits, on_map[b, shown], width, nowhere))
    nothing = out["pixels"].sum() * 0
    losses = {
        "match": torch.stack(match).mean() if match else nothing,
        "dense": torch.stack(dense).mean() if dense else nothing,
        "unseen": torch.stack(unseen).mean() if unseen else nothing,
        "score": _score_loss(visible, cell, out),
    }
    dense_or_not = losses["dense"] + losses["unseen"]
    losses["loss"] = (
        s.circle_weight * losses["match"] + s.dense_weight * dense_or_not + s.score_weight * losses["score"]
    )
    return losses


def _score_loss(visible: Tensor, cell: Tensor, out: Tensors) -> Tensor:
    """Cross-entropy of both intersection scores. A pixel counts as covered when a point falls in it or beside it."""
    logits = out["pixel_scores"]
    covered = torch.zeros_like(logits).flatten(1).scatter_reduce(1, cell, visible.to(logits.dtype), "amax")
    covered = F.max_pool2d(covered.view_as(logits)[:, None], 3, 1, 1)[:, 0]
    few = torch.tensor(2.0, device=logits.device)  # about one point in six is in view
    points = F.binary_cross_entropy_with_logits(out["point_scores"], visible.to(logits.dtype), pos_weight=few)
    return F.binary_cross_entropy_with_logits(logits, covered) + points

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of Diff2I2P: the coarse and fine losses of 2D3D-MATR, and the tuning of matched points.

The labels follow from the true pose and the cloud alone. No depth of the image is used, and the true pose is used by
losses alone. `training.tuning_weight`, `pose_weight` and `distill_weight` switch the published parts on one by one.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.core.both import Lazy
from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.config import TrainingSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Sample
from i2p_ros.families.base import Family
from i2p_ros.networks.base import FamilyNetwork, Tensors
from i2p_ros.networks.geometry import moved, pixel_centres, project, rays
from i2p_ros.networks.patches import NOTHING, ImagePatches, PatchPairs, PointPatches, distances, patch_similarity
from i2p_ros.training.circle_loss import circle_loss
from i2p_ros.training.distillation.score import distillation_loss
from i2p_ros.training.distillation.teacher import load_teacher
from i2p_ros.training.families import Learner
from i2p_ros.training.matched_pose import matched_poses, pose_loss
from i2p_ros.training.visibility import shown
from i2p_ros.training.vp2p import (
    ELSEWHERE,
    MIN_VISIBLE,
    SAMPLED,
    VP2PLearner,
    map_coordinates,
    place_cross_entropy,
)

COARSE_SCALE, FINE_SCALE = 40.0, 24.0  # of the circle losses
OVERLAPPING, APART = 0.3, 0.2  # of patches: least overlap of a positive pair, and largest one of a negative
EARLY = 0.5  # weight of the coarse loss before attention
FINE_PAIRS = 64  # positive pairs of patches within which pixels and points are compared
DENSE_SCALE = 20.0  # of the cross-entropy over pixels
SHORT, RIGHT = 0.2, 0.4  # weights of the length of offsets, and of what the tuned points still miss


class Diff2I2PLearner(Learner[Family[Any]]):
    """Learns descriptors of patches, pixels and points, and the tuning of matches.

    `seen` is the number of samples so far, over all processes. The teacher is frozen, and no part of what is saved.
    """

    seen: Tensor

    def __init__(self, net: FamilyNetwork, settings: TrainingSettings) -> None:
        super().__init__(net, settings)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        distils = settings.distill_weight > 0.0 and settings.distill_teacher
        self._teacher = load_teacher(settings.distill_teacher, settings.distill_pipeline) if distils else None

    @staticmethod
    def notes(settings: TrainingSettings) -> list[str]:
        """That the distillation is left out, if it is wanted but has no teacher."""
        if settings.distill_weight == 0.0 or settings.distill_teacher:
            return []
        return ["the distillation is left out: training.distill_teacher names no teacher"]

    @staticmethod
    def example(family: Family[Any], sample: Sample, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """As of VP2P, but `visible` (N,) leaves out what the cloud itself hides. The depth image is not used."""
        made = VP2PLearner.example(family, sample, rng)
        assert sample.T_camera_lidar is not None
        camera, cloud = family.input_camera(sample.pair.camera), sample.pair.cloud.finite().xyz
        T_camera_input = Pose.from_matrix(made["T_camera_lidar"])
        made["visible"] = shown(made["points"], T_camera_input, cloud, sample.T_camera_lidar, camera)
        return made

    def matching(self, batch: Tensors, encoded: Lazy[Any]) -> Tensors:
        """Losses `coarse`, `fine`, `dense`, `places`, `depth`, `normals` and `tuning`, and their weighted sum `loss`.

        Beside them: `inliers`, the share of matches whose points project near their pixels.
        """
        with self.half_precision():
            out = self.net.training_pass(encoded, batch)
        sizes: Any = self.net.settings
        s, truth = self.settings, batch["T_camera_lidar"][:, :3].float()
        losses = {
            "dense": dense_loss(batch, out),
            "places": places_loss(batch, out),
            "depth": depth_loss(batch, out),
            "normals": normals_loss(batch, out),
            "tuning": tuning_loss(batch, out, truth, sizes.tuning_m),
        }
        losses["loss"] = s.dense_weight * (losses["dense"] + losses["places"]) + losses["depth"] + losses["normals"]
        if s.circle_weight > 0.0:
            losses |= {"coarse": coarse_loss(batch, out), "fine": fine_loss(batch, out, s.positive_px, s.negative_px)}
            losses["loss"] = losses["loss"] + s.circle_weight * (losses["coarse"] + losses["fine"])
        losses["loss"] = losses["loss"] + s.tuning_weight * losses["tuning"]
        if s.pose_weight > 0.0 or self._teacher:
            losses |= self._of_poses(batch, out, truth)
            losses["loss"] = losses["loss"] + s.pose_weight * losses["pose"]
            losses["loss"] = losses["loss"] + s.distill_weight * losses.get("distill", 0.0)
        losses["inliers"] = inlier_share(batch, out, truth, s.negative_px)
        return losses

    def _of_poses(self, batch: Tensors, out: Tensors, truth: Tensor) -> Tensors:
        """Losses of the poses of the matches: `pose`, and with a teacher `distill`, 0 until it begins."""
        poses, usable = matched_poses(batch, out)
        losses = {"pose": pose_loss(poses, usable, truth.double()).float()}
        if self._teacher:
            self.seen += len(poses) * int(os.environ.get("WORLD_SIZE", "1"))
            losses["distill"] = poses.sum().float() * 0.0
            if self.seen >= self.settings.distill_from * self.settings.samples:
                teacher = self._teacher.to(poses.device)
                losses["distill"] = distillation_loss(
                    teacher, batch, poses.float(), usable, self.settings.distill_guidance
                )
        return losses


def patch_overlaps(
    uv: Tensor, visible: Tensor, node: Tensor, nodes: int, image: Tensor, patches: ImagePatches
) -> Tensor:
    """(2, T, M) overlap of each patch of an image (C, H, W) with each of the patches of a cloud, for points with pixels
    uv (N, 2), `visible` (N,), of the patch `node` (N,).

    The first are shares of the visible points in the patch of the image, which stand for its area; the second are
    shares of the points of the patch of the cloud. A pair overlaps by at least the smaller and at most the larger.
    """
    seen = visible.nonzero()[:, 0]
    rows, columns = patches.sizes[0]
    size = torch.tensor([image.shape[2], image.shape[1]], device=uv.device)
    x, y = ((uv[seen] + 0.5) / size * torch.tensor([columns, rows], device=uv.device)).floor().long().unbind(1)
    x, y = x.clamp(0, columns - 1), y.clamp(0, rows - 1)
    counts, first = uv.new_zeros(sum(h * w for h, w in patches.sizes) * nodes), 0
    for level, (h, w) in enumerate(patches.sizes):
        at = first + (y >> level) * w + (x >> level)
        counts.index_add_(0, at * nodes + node[seen], torch.ones_like(uv[seen, 0]))
        first += h * w
    counts = counts.view(-1, nodes)
    of_cloud = torch.bincount(node, minlength=nodes).clamp(min=1)
    return torch.stack([counts / counts.sum(1, keepdim=True).clamp(min=1.0), counts / of_cloud])


def pair_labels(overlaps: Tensor) -> tuple[Tensor, Tensor]:
    """(T, M) which pairs of patches are positive and which negative, of `patch_overlaps`.

    A pair is positive if both shares are large, and negative only if both are small: a patch that lies in a much larger
    one is neither. The published codes take the smaller share for both.
    """
    return overlaps.amin(0) > OVERLAPPING, overlaps.amax(0) < APART


def coarse_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar circle loss of the descriptors of patches, and half of that of those before attention."""
    patches, losses = ImagePatches.of(out["fine_pixels"]), []
    for b, (uv, visible) in enumerate(zip(batch["uv"], batch["visible"], strict=True)):
        overlaps = patch_overlaps(uv, visible, out["node"][b], out["nodes"].shape[1], batch["image"][b], patches)
        labels, weight = pair_labels(overlaps), overlaps.amin(0).sqrt()
        late, early = (
            distances(out[i][b], out[p][b]) for i, p in (("tokens", "nodes"), ("early_tokens", "early_nodes"))
        )
        losses += [
            circle_loss(late, *labels, COARSE_SCALE, weight),
            EARLY * circle_loss(early, *labels, COARSE_SCALE, weight),
        ]
    return torch.stack(losses).sum() / len(batch["uv"])


def fine_loss(batch: Tensors, out: Tensors, positive_px: float, negative_px: float) -> Tensor:
    """Scalar circle loss of the descriptors of pixels and points within truly overlapping patches."""
    patches, losses = ImagePatches.of(out["fine_pixels"]), []
    centres = pixel_centres(out["fine_pixels"], (batch["image"].shape[2], batch["image"].shape[3]))
    for b, (uv, visible) in enumerate(zip(batch["uv"], batch["visible"], strict=True)):
        overlaps = patch_overlaps(uv, visible, out["node"][b], out["nodes"].shape[1], batch["image"][b], patches)
        image, cloud = pair_labels(overlaps)[0].nonzero().unbind(1)
        drawn = torch.randperm(len(image), device=uv.device)[:FINE_PAIRS]
        if not len(drawn):
            continue
        pairs = PatchPairs(image[None, drawn], cloud[None, drawn], torch.ones_like(drawn, dtype=torch.bool)[None])
        of_cloud = PointPatches(*(out[name][b : b + 1] for name in ("patch_points", "patch_inside", "node")))
        fine = out["fine_pixels"][b].flatten(1).T[None], out["fine_points"][b : b + 1]
        similarity, pixel, point = (x[0] for x in patch_similarity(*fine, pairs, patches, of_cloud))
        there, away = similarity > NOTHING, torch.cdist(centres[pixel], uv[point])
        shown_ = visible[point][:, None]
        positive, negative = there & shown_ & (away <= positive_px), there & ~(shown_ & (away <= negative_px))
        losses.append(circle_loss((2.0 - 2.0 * similarity).clamp(min=1e-6).sqrt(), positive, negative, FINE_SCALE))
    return torch.stack(losses).mean() if losses else out["fine_pixels"].sum() * 0


def dense_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar cross-entropy of visible points over all pixels. It compares beyond the patches, and to a part of a
    pixel."""
    pixels, points, losses = out["fine_pixels"], out["fine_points"], []
    place = map_coordinates(batch["uv"].float(), batch["image"], pixels)
    for b, visible in enumerate(batch["visible"]):
        seen = visible.nonzero()[:, 0]
        seen = seen[torch.randperm(len(seen), device=seen.device)[:SAMPLED]]
        if len(seen) >= MIN_VISIBLE:
            logits = DENSE_SCALE * points[b, seen] @ pixels[b].flatten(1)
            losses.append(place_cross_entropy(logits, place[b, seen], pixels.shape[3], logits.new_tensor(ELSEWHERE)))
    return torch.stack(losses).mean() if losses else pixels.sum() * 0


def places_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar cross-entropy of visible nodes over all patches of the first level, and half of that before attention."""
    rows, columns = ImagePatches.of(out["fine_pixels"]).sizes[0]
    seen = batch["visible"][:, : out["nodes"].shape[1]]
    uv = batch["uv"][:, : seen.shape[1]].float()
    place, losses = map_coordinates(uv, batch["image"], uv.new_zeros(1, 1, rows, columns)), []
    for tokens, nodes, weight in (("tokens", "nodes", 1.0), ("early_tokens", "early_nodes", EARLY)):
        for b in range(len(seen)):
            logits = DENSE_SCALE * out[nodes][b, seen[b]] @ out[tokens][b, : rows * columns].T
            if len(logits):
                one = place_cross_entropy(logits, place[b, seen[b]], columns, logits.new_tensor(ELSEWHERE))
                losses.append(weight * one)
    return torch.stack(losses).sum() / len(seen) if losses else out["nodes"].sum() * 0


def depth_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar L1 loss of the log of the depth that the image predicts, at the pixels of visible points of the cloud."""
    depth = moved(batch["points"].float(), batch["T_camera_lidar"][:, :3].float())[..., 2].clamp(min=MIN_DEPTH).log()
    found = at_points(out["log_depth"], batch)[:, 0]
    return torch.where(batch["visible"], (found - depth).abs(), 0.0).sum() / batch["visible"].sum().clamp(min=1)


def normals_loss(batch: Tensors, out: Tensors) -> Tensor:
    """Scalar L1 loss of the normals that the image predicts, at the pixels of visible points with a normal."""
    normals = batch["normals"].float()
    known = batch["visible"] & normals.any(2)
    truth = torch.einsum("bij,bnj->bin", batch["T_camera_lidar"][:, :3, :3].float(), normals)
    missed = (at_points(out["image_normals"], batch) - truth).abs().sum(1)
    return torch.where(known, missed, 0.0).sum() / known.sum().clamp(min=1)


def at_points(predicted: Tensor, batch: Tensors) -> Tensor:
    """(B, C, N) values of an image (B, C, h, w) at the pixels of the points."""
    size = batch["uv"].new_tensor([batch["image"].shape[3], batch["image"].shape[2]])
    spots = (2.0 * batch["uv"].float() + 1.0) / size - 1.0
    return F.grid_sample(predicted.float(), spots[:, None], padding_mode="border", align_corners=False)[:, :, 0]


def tuning_targets(batch: Tensors, out: Tensors, truth: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """(B, Q, 3) the point on the true ray of each matched pixel that is nearest to its point, in the input frame, and
    whether the match is valid (B, Q): its point is in front of the camera, and its target within `reach` (m)."""
    ray = F.pad(rays(out["pixels"], batch["camera"].float()), (0, 1), value=1.0)
    ray = F.normalize(ray, dim=2)
    seen = moved(out["untuned"], truth)
    along = (seen * ray).sum(2, keepdim=True)
    target = ((along * ray - truth[:, None, :, 3])[..., None] * truth[:, None, :, :3]).sum(2)
    near = (along[..., 0] * ray[..., 2] > MIN_DEPTH) & ((along * ray - seen).norm(dim=2) < reach)
    return target.detach(), near & (out["weights"] > 0.0)


def tuning_loss(batch: Tensors, out: Tensors, truth: Tensor, reach: float) -> Tensor:
    """Scalar: how long the offsets are, and how far the tuned points stay from their targets, in units of the reach.

    Only valid matches count. The published code takes the query's measured depth as the target, of all matches.
    """
    target, valid = tuning_targets(batch, out, truth, reach)
    length = _length(out["points"] - out["untuned"]) / reach
    missed = F.smooth_l1_loss(out["points"] / reach, target / reach, reduction="none", beta=0.1).sum(2)
    return (torch.where(valid, SHORT * length + RIGHT * missed, 0.0)).sum() / valid.sum().clamp(min=1)


def inlier_share(batch: Tensors, out: Tensors, truth: Tensor, px: float) -> Tensor:
    """Scalar: share of the matches whose tuned points project within px of their pixels."""
    uv, depth = project(out["points"].detach(), truth, batch["camera"])
    right = ((uv - out["pixels"]).norm(dim=2) < px) & (depth > MIN_DEPTH)
    valid = out["weights"] > 0.0
    return (right & valid).sum() / valid.sum().clamp(min=1)


def _length(x: Tensor) -> Tensor:
    """Lengths of vectors (..., D), with a gradient of 0 at 0."""
    return (x.square().sum(-1) + 1e-12).sqrt() - 1e-6

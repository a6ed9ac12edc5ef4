# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training of ICL++: losses of the detection, of the keypoints and residual poses of every scale, and of the last pose.

Li et al. 2025 (Implicit Correspondence Learning for Image-to-Point Cloud Registration) give all but these: rotations
have six numbers rather than a yaw, descriptors and overlap have the losses of VP2P, `heading` is that of RelaI2P, and
`spread` is the Monte Carlo loss of EPro-PnP.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.cylinder import headings
from i2p_ros.networks.geometry import moved, project
from i2p_ros.pnp.probabilistic import Problems, pose_losses
from i2p_ros.training.pose_loss import HOPELESS, MONTE_CARLO, ROTATION, START_SCALE
from i2p_ros.training.relai2p import heading_losses
from i2p_ros.training.vp2p import MIN_VISIBLE, VP2PLearner

FULL_WIDTH = 512  # px of the image that the published distances below are of; they are scaled to other widths
GATE_PX = (1000.0, 128.0, 64.0, 32.0)  # largest distance of a match that is learned from: here, at the scale before
WRONG_TURN = math.radians(45.0)
APART_PX = 16.0  # least distance of keypoints from each other
KEYPOINT, CENTRE, SPREAD = 0.02, 0.1, 0.5  # weights beside 1


class ICLLearner(VP2PLearner):
    """Learns what VP2P learns, and the headings, keypoints, residual poses and the spread of the matches.

    The example is that of VP2P.
    """

    def losses(self, batch: Tensors, out: Tensors) -> Tensors:
        """As `icl_losses` and `heading_losses`, and of VP2P where the descriptors learn. `loss` is the weighted sum."""
        s = self.settings
        losses = icl_losses(batch, out) | heading_losses(batch, out)
        of_matches = sum(losses[name] for name in ("keypoint", "apart", "residual", "spread"))
        losses["loss"] = losses["frustum"] + s.heading_weight * losses["heading"] + s.keypoint_weight * of_matches
        if s.parts == "heads":
            return losses
        of_descriptors = super().losses(batch, out)
        return of_descriptors | losses | {"loss": of_descriptors["loss"] + losses["loss"]}


def icl_losses(batch: Tensors, out: Tensors) -> Tensors:
    """Scalars `frustum` of the detected camera; `keypoint`, `apart` and `residual`, sums over scales; and `spread`, the
    pose loss of the last matches. Beside the losses: `overlap_scores`.

    Images with few visible points count for none of them: nothing tells where their camera is. Those whose detected
    heading is off by more than WRONG_TURN count for keypoints alone.
    """
    visible, overlap = batch["visible"], out["overlap"]
    truth, seen = batch["T_camera_lidar"][:, :3].float(), visible.sum(1) >= MIN_VISIBLE
    turned = headings(truth) - headings(out["poses"][:, 0].detach())
    about = seen & (turned.cos() > math.cos(WRONG_TURN))
    poses, scales = out["poses"].unbind(1), range(out["match_pixels"].shape[1])
    distance, usable = zip(*(keypoint_distance(batch, out, truth, k) for k in scales), strict=True)
    learned = [_learned(distance, usable, batch, k) & seen[:, None] for k in scales]

    def over_scales(loss: Callable[[int], Tensor]) -> Tensor:
        return torch.stack([loss(k) for k in scales]).sum()

    return {
        "frustum": _mean(frustum_error(poses[0], truth), about),
        "keypoint": KEYPOINT * over_scales(lambda k: _mean(distance[k], learned[k])),
        "apart": over_scales(lambda k: _mean(crowding(batch, out, truth, k), seen)),
        "residual": over_scales(lambda k: _mean(residual_error(poses[k], poses[k + 1], truth), about)),
        "spread": SPREAD * spread_loss(batch, out, truth, about),
        **overlap_scores(overlap.detach() > 0.0, visible),
    }


def overlap_scores(detected: Tensor, visible: Tensor) -> Tensors:
    """Scalars: the `precision`, the share of detected points that are visible, and the `recall`, the share of visible
    points that are detected."""
    right = (detected & visible).sum()
    return {"precision": right / detected.sum().clamp(min=1), "recall": right / visible.sum().clamp(min=1)}


def frustum_error(pose: Tensor, truth: Tensor) -> Tensor:
    """(B,) squared error of a rotation, as a matrix, plus CENTRE times that of the camera's position (smooth-L1, m)."""
    turned = (pose[..., :3] - truth[..., :3]).square().sum((1, 2))
    centre, true_centre = (-(T[..., :3].mT @ T[..., 3:])[..., 0] for T in (pose, truth))
    return turned + CENTRE * F.smooth_l1_loss(centre, true_centre, reduction="none").sum(1)


def residual_error(before: Tensor, after: Tensor, truth: Tensor) -> Tensor:
    """(B,) |R - R*| + |t - t*| of the residual pose between two scales, by its target R* = R_true R_before^T,
    t* = t_true - R* t_before (Li et al. 2025, with all six axes)."""
    turn, target = (T[..., :3] @ before[..., :3].mT for T in (after, truth))
    shift, target_shift = (T[..., 3] - (R @ before[..., 3:])[..., 0] for T, R in ((after, turn), (truth, target)))
    return _length((turn - target).flatten(1)) + _length(shift - target_shift)


def keypoint_distance(batch: Tensors, out: Tensors, truth: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(B, Q) px of the network's image between both keypoints of each match, and whether the point is in front of the
    true camera and the query valid."""
    uv, depth = project(out["match_points"][:, k], truth, batch["camera"].float())
    return _length(uv - out["match_pixels"][:, k]), (depth > MIN_DEPTH) & (out["valid"][:, k] > 0.5)


def _learned(distance: tuple[Tensor, ...], usable: tuple[Tensor, ...], batch: Tensors, k: int) -> Tensor:
    """(B, Q) which matches of scale k are learned from: those that were about right at the scale before."""
    unit = batch["image"].shape[3] / FULL_WIDTH
    near = usable[k] & (distance[k] < unit * GATE_PX[0])
    return near & (distance[k - 1] < unit * GATE_PX[min(k, len(GATE_PX) - 1)]) if k else near


def crowding(batch: Tensors, out: Tensors, truth: Tensor, k: int) -> Tensor:
    """(B,) mean over pairs of matches of what their pixels, and their projected points, lack to APART_PX."""
    apart = batch["image"].shape[3] / FULL_WIDTH * APART_PX
    uv, depth = project(out["match_points"][:, k], truth, batch["camera"].float())
    pairs = uv.shape[1] * (uv.shape[1] - 1)
    others = ~torch.eye(uv.shape[1], dtype=torch.bool, device=uv.device)
    front = depth > MIN_DEPTH
    both = front[:, :, None] & front[:, None] & others
    of_pixels = (F.relu(apart - _distances(out["match_pixels"][:, k])) * others).sum((1, 2))
    return (of_pixels + (F.relu(apart - _distances(uv)) * both).sum((1, 2))) / pairs


def spread_loss(batch: Tensors, out: Tensors, truth: Tensor, seen: Tensor) -> Tensor:
    """Scalar mean of `probabilistic.pose_losses` of the last matches, over the images whose matches constrain the pose;
    0 where there is none. It teaches how the error of a match follows from the spread of its heat maps."""
    camera = batch["camera"].float()
    points = moved(out["match_points"][:, -1], truth)
    losses = pose_losses(
        Problems(out["match_pixels"][:, -1] - camera[:, None, 2:], points, out["weights"], camera[:, :2])
    )
    sharpness = out["weights"].detach().mean((1, 2)).clamp(min=1e-6)  # the gradient keeps its size as weights grow
    monte_carlo = MONTE_CARLO * losses.monte_carlo * (START_SCALE / sharpness)
    total = monte_carlo + losses.translation + ROTATION * losses.rotation
    return _mean(total, seen & (losses.translation < HOPELESS)).to(points.dtype)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Scalar mean of the chosen values; 0 where there is none."""
    return torch.where(chosen, values, 0.0).sum() / chosen.sum().clamp(min=1)


def _length(x: Tensor) -> Tensor:
    """Lengths of vectors (..., D), with a gradient of 0 at 0."""
    return (x.square().sum(-1) + 1e-12).sqrt()


def _distances(x: Tensor) -> Tensor:
    """(B, Q, Q) distances between x (B, Q, D)."""
    return _length(x[:, :, None] - x[:, None])

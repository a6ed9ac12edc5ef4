# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Differentiable PnP over predicted matches: poses as a function of their pixels, points and weights.

The start is that of the solver, from the matches alone. The true pose is used by the loss only.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.geometry import moved
from i2p_ros.pnp.probabilistic import Problems, implicit, solve
from i2p_ros.pnp.problem import NoPoseError, problem_of, usable_matches
from i2p_ros.pnp.start import robust_start

QUICK = PnpSettings(iterations=1000)  # of the robust start: a batch must not wait for one hopeless image
LEAST_INLIERS = 16  # of a pose that is learned from
STEPS = 20  # of Levenberg-Marquardt
HUBER = 1.0  # of the spread of the pixels: outliers have no weight already
BETA = 0.1  # m up to which the distance counts by its square
ROTATION = 100.0  # weight of 1 - cos(angle) beside the distance in m
HOPELESS_M = 2.0  # distance from which the matches do not tell the pose


def matched_poses(batch: Tensors, out: Tensors) -> tuple[Tensor, Tensor]:
    """T_camera_input (B, 3, 4) of least cost of the inliers among the matches, float64, and which are usable (B,).

    `out` has `pixels` (B, Q, 2), x and y in px of the network's image, `points` (B, Q, 3) and `weights` (B, Q) in
    relative 1/px. Gradients reach all three. Which matches are inliers has none.
    """
    starts, inliers = zip(*(_start(batch, out, b) for b in range(len(out["pixels"]))), strict=True)
    first, kept = torch.stack(starts), torch.stack(inliers)
    usable = kept.sum(1) >= LEAST_INLIERS
    camera = batch["camera"].double()
    problems = Problems(
        out["pixels"] - camera[:, None, 2:],
        moved(out["points"].double(), first),
        (out["weights"] * kept)[..., None],
        camera[:, :2],
        HUBER,
    )
    about = implicit(problems, solve(problems.detached(), STEPS))
    rotation = about.rotation[:, 0]
    shift = (rotation @ first[..., 3:])[..., 0] + about.translation[:, 0]
    return torch.cat([rotation @ first[..., :3], shift[..., None]], 2), usable


def pose_loss(poses: Tensor, usable: Tensor, truth: Tensor) -> Tensor:
    """Scalar: distance in m (smooth-L1) and ROTATION (1 - cos(angle)) between poses (B, 3, 4) and the true ones, over
    the usable ones whose camera is about right; 0 where there is none."""
    turn = poses[..., :3] @ truth[..., :3].mT
    shift = poses[..., 3] - (turn @ truth[..., 3:])[..., 0]
    distance = (shift.square().sum(1) + 1e-12).sqrt()
    angle = (3.0 - turn.diagonal(dim1=1, dim2=2).sum(1)) / 2.0
    total = F.smooth_l1_loss(distance, torch.zeros_like(distance), reduction="none", beta=BETA) + ROTATION * angle
    counted = usable & (distance < HOPELESS_M)
    return torch.where(counted, total, 0.0).sum() / counted.sum().clamp(min=1)


@torch.no_grad()
def _start(batch: Tensors, out: Tensors, b: int) -> tuple[Tensor, Tensor]:
    """Start T_camera_input (3, 4) of image b, float64, and its inliers (Q,): none where there is no pose."""
    pixels, points, weights = (out[name][b].detach().cpu().double().numpy() for name in ("pixels", "points", "weights"))
    fx, fy, cx, cy = batch["camera"][b].tolist()
    camera = Camera(fx, fy, cx, cy, batch["image"].shape[3], batch["image"].shape[2])
    matches, agree, pose = Correspondences(pixels, points, weights), np.zeros(len(pixels), bool), Pose.identity()
    try:
        usable = usable_matches(matches, camera, QUICK)
        problem = problem_of(matches.selected(usable), camera, QUICK.threshold_deg)
        found = robust_start(problem, QUICK, None)[0]
        pose = problem.in_lidar(found)
        agree[np.flatnonzero(usable)[problem.agreeing(found)[1]]] = True
    except NoPoseError:
        pass
    device = out["pixels"].device
    return torch.from_numpy(pose.matrix[:3]).to(device), torch.from_numpy(agree).to(device)

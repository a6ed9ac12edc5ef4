# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batched geometry of matches: poses T_camera_input (B, 3, 4), cameras (B, 4) of fx, fy, cx, cy, and pixels in px."""

from __future__ import annotations

import torch
from torch import Tensor

from i2p_ros.core.camera import MIN_DEPTH

NEAREST = 1.0  # m; least depth at which the spread of a point is projected


def moved(points: Tensor, poses: Tensor) -> Tensor:
    """Points (B, N, 3) in the frames of cameras. Sums rather than a matrix product, so that no autocast rounds them."""
    return (poses[:, None, :, :3] * points[:, :, None]).sum(3) + poses[:, None, :, 3]


def project(points: Tensor, poses: Tensor, cameras: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (B, N, 2) of points (B, N, 3), and depths (B, N) in m. Pixels at a depth below MIN_DEPTH mean nothing."""
    p = moved(points, poses)
    depth = p[..., 2]
    tangents = p[..., :2] / torch.where(depth > MIN_DEPTH, depth, 1.0)[..., None]
    return tangents * cameras[:, None, :2] + cameras[:, None, 2:], depth


def rays(pixels: Tensor, cameras: Tensor) -> Tensor:
    """Viewing directions x/z, y/z (B, N, 2) of pixels (B, N, 2)."""
    return (pixels - cameras[:, None, 2:]) / cameras[:, None, :2]


def pixel_centres(map_: Tensor, size: tuple[int, int]) -> Tensor:
    """(h w, 2) pixels x, y of the centres of the cells of a map (B, C, h, w) over an image of height and width."""
    (h, w), (height, width) = map_.shape[2:], size
    y = (torch.arange(h, device=map_.device) + 0.5) * (height / h) - 0.5
    x = (torch.arange(w, device=map_.device) + 0.5) * (width / w) - 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)


def match_weights(
    pixel_spread: Tensor, points: Tensor, point_spread: Tensor, poses: Tensor, cameras: Tensor, log_variance: Tensor
) -> Tensor:  # fmt: skip
    """(B, Q, 2) inverse deviations in 1/px of matches, by the spread of both of their heat maps.

    The variance on an image axis is e^a that of the pixel, plus e^b that of the projected point, plus e^c px^2, for
    `log_variance` (a, b, c). Spreads are covariances, (B, Q, 2, 2) of pixels in px^2 and (B, Q, 3, 3) of `points`
    (B, Q, 3) in m^2. S of a point becomes J S J^T, with J the derivative of the pixel by the point. Poses and points
    only place the derivative, and have no gradient.
    """
    p = moved(points, poses).detach()
    x, y, depth = p[..., 0], p[..., 1], p[..., 2].clamp(min=NEAREST)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    towards = torch.stack([one, zero, -x / depth, zero, one, -y / depth], -1).unflatten(-1, (2, 3))
    turned = (towards[..., None] * poses[:, None, None, :, :3].detach()).sum(3)
    j = (cameras[:, None, :2] / depth[..., None])[..., None] * turned
    projected = ((j[..., None] * point_spread[:, :, None]).sum(3) * j).sum(3)
    a, b, c = log_variance.exp()
    own = pixel_spread.diagonal(dim1=2, dim2=3)
    return (a * own.clamp(min=0.0) + b * projected.clamp(min=0.0) + c).rsqrt()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The depth of a cloud as a camera would see it, differentiable by the pose on all six axes.

Each point is a Gaussian about its projection, so that it has a gradient along the image as well as in depth. The
published code writes points into whole pixels: then depth alone has a gradient, and three axes have none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from i2p_ros.networks.geometry import moved

NEAREST, FARTHEST = 0.05, 15.0  # m; points beyond have no part in the image
SPREAD = 0.8  # cells of the raster, deviation of a point
LAYER = 0.1  # of its depth: a point that is nearer by this share has e times the weight
FAINT = 1e-2  # sum of weights of a cell that is half covered


def soft_inverse_depth(
    points: Tensor, poses: Tensor, cameras: Tensor, image: tuple[int, int], raster: tuple[int, int]
) -> Tensor:
    """(B, 1, h, w) nearness 0..1 of points (B, N, 3) at poses T_camera_input (B, 3, 4), on a raster h, w over an image.

    It is the inverse depth as a share of that of the nearest points, as depth ControlNets take it; 0 where there is
    nothing. Cameras (B, 4) are fx, fy, cx, cy in px of the image, whose height and width are given. Arithmetic is
    float64: the weights of near and far points differ by many orders.
    """
    points, poses, cameras = (x.double() for x in (points, poses, cameras))
    seen = moved(points, poses)
    inside = (seen[..., 2] > NEAREST) & (seen[..., 2] < FARTHEST)
    near = 1.0 / torch.where(inside, seen[..., 2], 1.0)
    cell = seen.new_tensor([image[1] / raster[1], image[0] / raster[0]])
    uv = seen[..., :2] * near[..., None] * cameras[:, None, :2] + cameras[:, None, 2:]
    across, down = ((uv + 0.5) / cell - 0.5).unbind(2)
    first = torch.quantile(torch.where(inside, near, 0.0), 0.98, dim=1, keepdim=True).clamp(min=1.0 / FARTHEST)
    front = inside * (near / first).clamp(max=2.0) ** (1.0 / LAYER)
    columns, rows = _gaussians(across, raster[1]), _gaussians(down, raster[0])
    weight, mean, cover = (rows.mT @ (columns * x[..., None]) for x in (front, front * near, inside))
    nearness = mean / weight.clamp(min=1e-100) / first[..., None] * cover / (cover + FAINT)
    return nearness.clamp(max=1.0)[:, None]


def _gaussians(at: Tensor, cells: int) -> Tensor:
    """(B, N, cells) weights of cells for points at places (B, N) in cells."""
    away = torch.arange(cells, dtype=at.dtype, device=at.device) - at[..., None]
    return (-0.5 * (away / SPREAD).square()).exp()


def share_in_view(points: Tensor, poses: Tensor, cameras: Tensor, image: tuple[int, int]) -> Tensor:
    """(B,) share of points (B, N, 3) that a camera sees within the range of depths."""
    seen = moved(points, poses)
    uv = seen[..., :2] / seen[..., 2:].clamp(min=NEAREST) * cameras[:, None, :2] + cameras[:, None, 2:]
    size = torch.tensor(image[::-1], device=uv.device)
    inside = ((uv > -0.5) & (uv < size - 0.5)).all(2) & (seen[..., 2] > NEAREST) & (seen[..., 2] < FARTHEST)
    return inside.double().mean(1)

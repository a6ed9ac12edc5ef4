# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the outputs of the VP2P network to matches, one set for each viewing direction, and similarities."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, DescriptorSimilarity, Prediction
from i2p_ros.families.branches.inputs import original_pixels, view_camera
from i2p_ros.networks.base import Tensors
from i2p_ros.networks.matching import Grid, coarse, compared, mutual, peaks

VIEW_MARGIN = np.radians(20.0)  # on each side of the image: the camera is not where the median of the cloud is
SECTORS = 36  # about the up axis; a viewing direction holds several


def merged(outputs: Tensors, mirrored: Tensors) -> Tensors:
    """Descriptors whose similarities are the means of those of a pass and of its mirrored pass."""
    pixels = torch.cat([outputs["pixels"], mirrored["pixels"].flip(-1)], 1)
    points = torch.cat([outputs["points"], mirrored["points"]], 2)
    return {"pixels": pixels * 0.5**0.5, "points": points * 0.5**0.5}


def decoded(
    xyz: NDArray[np.float32], outputs: Tensors, camera: Camera, T_input_lidar: Pose, views: int,
    matching: MatchingSettings, both: Both = in_turn,
) -> Prediction:  # fmt: skip
    """The prediction from the outputs of one pass over points `xyz` (N, 3) of the frame `input`.

    Matches are in pixels of `camera` and in the lidar frame, one set for each of the directions `views` that it may
    look in. The similarities are of all these points with all cells of the image.
    """
    pixels, xyz = outputs["pixels"][0], xyz[: matching.max_points]
    sector, sectors_of = viewing_directions(xyz, camera, views)
    order = np.argsort(sector, kind="stable")
    sector, xyz = sector[order], xyz[order]
    points = outputs["points"][0][torch.from_numpy(order).to(pixels.device)]
    grid = coarse(pixels, matching.max_pixels)
    xyz = T_input_lidar.inverse().apply(xyz).astype(np.float32)
    found = compared(points, grid.cells.flatten(1), sector, SECTORS, both)
    best = found.cell, found.value
    similarity = DescriptorSimilarity(xyz, found.values, _camera_of_cells(camera, pixels, grid), best)
    matches = mutual(found, sector, sectors_of, matching.max_matches)
    return Prediction(_candidates(matches, grid, pixels, points, xyz, camera), similarity)


def viewing_directions(
    xyz: NDArray[np.float32], camera: Camera, views: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The sector (N,) of each of xyz (N, 3), and which sectors (V, S) each of V viewing directions holds.

    Sectors are angles about the up axis through the median of the points. A direction holds those in view of the
    camera, and a margin. Were all directions matched at once, the best matches of one would drown in the others.
    """
    x, y = (xyz[:, :2] - np.median(xyz[:, :2], axis=0)).T
    sector = np.floor((np.arctan2(y, x) / (2.0 * np.pi) + 0.5) * SECTORS).astype(np.int64).clip(0, SECTORS - 1)
    view = view_camera(camera)
    (left, _), (right, _) = np.arctan(view.unproject([[0.0, view.cy], [view.width - 1.0, view.cy]]))
    centres, middles = np.arange(views) / views, (np.arange(SECTORS) + 0.5) / SECTORS
    off = np.abs((middles - centres[:, None] + 0.5) % 1.0 - 0.5) * 2.0 * np.pi
    return sector, off <= max((right - left) / 2.0 + VIEW_MARGIN, np.pi / views + np.pi / SECTORS)


def _camera_of_cells(camera: Camera, pixels: Tensor, grid: Grid) -> Camera:
    """The camera whose pixels are the cells of the grid over descriptors `pixels` (D, h, w)."""
    (h, w), (height, width) = pixels.shape[1:], grid.cells.shape[1:]
    covered = camera.undistorted.resized(w, h).cropped(0, 0, width * grid.stride, height * grid.stride)
    return covered.resized(width, height)


def _candidates(
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]], grid: Grid, pixels: Tensor, points: Tensor,
    xyz: NDArray[np.float32], camera: Camera,
) -> tuple[Correspondences, ...]:  # fmt: skip
    """A set of matches for each view, from its rows of points and its cells.

    A point has the same cell in all views, so its peak is computed once. Cells where the lens sees nothing have no
    matches.
    """
    row, first, back = np.unique(np.concatenate([r for r, _ in found]), return_index=True, return_inverse=True)
    cell = np.concatenate([c for _, c in found])[first]
    all_ = _correspondences(row, cell, grid, pixels, points, xyz, camera)
    ends = np.cumsum([len(r) for r, _ in found])[:-1]
    seen = np.asarray(np.isfinite(all_.pixels).all(axis=1))
    return tuple(all_.selected(part[seen[part]]) for part in np.split(back, ends))


def _correspondences(
    row: NDArray[np.int64], cell: NDArray[np.int64], grid: Grid, pixels: Tensor, points: Tensor,
    xyz: NDArray[np.float32], camera: Camera,
) -> Correspondences:  # fmt: skip
    """Points of rows (M,) and the peaks near their cells (M,), as matches in original pixels."""
    chosen, cells = (torch.from_numpy(a).to(points.device) for a in (row, cell))
    on_map, similarity = peaks(pixels, points[chosen], grid, cells)
    original = original_pixels(on_map.cpu().numpy().astype(np.float64), pixels.shape[2], pixels.shape[1], camera)
    weights = similarity.clamp(1e-3, 1).double().cpu().numpy()
    return Correspondences(original, xyz[row].astype(np.float64), weights)

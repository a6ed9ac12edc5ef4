# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From descriptors to matches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.networks.both import Both, in_turn

Similarity = NDArray[np.float32]
Rows = NDArray[np.int64]
PEAK_SCALE = 20.0  # of the softmax about a peak of similarity: the scale that the dense loss trains with


@dataclass(frozen=True)
class Grid:
    """Descriptors of square cells of `stride` pixels: `cells` (D, h, w)."""

    cells: Tensor
    stride: int


def coarse(pixels: Tensor, most: int) -> Grid:
    """The means of pixel descriptors (D, h, w) over cells, as small as leaves at most about `most` of them."""
    stride = max(1, math.ceil(math.sqrt(pixels.shape[1] * pixels.shape[2] / most) - 1e-9))
    return Grid(F.avg_pool2d(pixels[None], stride)[0] if stride > 1 else pixels, stride)


def product(points: Tensor, cells: Tensor, both: Both = in_turn) -> Similarity:
    """(N, P) of points (N, D) with cells (D, P). NumPy's memory: it comes in large pages, and PyTorch's does not."""
    if points.device.type != "cpu":
        return (points @ cells).cpu().numpy()
    out = np.empty((len(points), cells.shape[1]), np.float32)
    halves = zip(points.tensor_split(2), np.array_split(out, 2), strict=True)
    both(*(partial(torch.mm, rows, cells, out=torch.from_numpy(half)) for rows, half in halves))
    return out


def mutual(similarity: Similarity, sector: Rows, views: NDArray[np.bool_], most: int) -> list[tuple[Rows, Rows]]:
    """For each view (V, S) of S sectors of points: the rows and columns of similarity (N, P) that are each other's best
    among the points of its sectors, at most the `most` most similar; sector (N,), ascending, says which sector a point
    is in.

    A point's best cell is the same in every view, and a cell's best point is that of the best sector of the view.
    """
    cell = similarity.argmax(axis=1)
    value = similarity[np.arange(len(cell)), cell]
    best = np.full((views.shape[1], similarity.shape[1]), -np.inf, np.float32)
    for k, start in zip(*np.unique(sector, return_index=True), strict=True):
        best[k] = similarity[start : np.searchsorted(sector, k, "right")].max(axis=0)
    found = []
    for view in views:
        row = np.flatnonzero(view[sector] & (value >= best[view].max(axis=0)[cell]))
        row = row[np.argsort(-value[row], kind="stable")[:most]]
        found.append((row, cell[row]))
    return found


def peaks(pixels: Tensor, points: Tensor, grid: Grid, cell: Tensor) -> tuple[Tensor, Tensor]:
    """(M, 2) x, y of the peaks of similarity of points (M, D) in the pixels of their cells and next to them, and how
    high they are (M,): mean position and mean similarity, weighted by softmax."""
    _, h, w = pixels.shape
    width = grid.cells.shape[2]
    step = torch.arange(-1, grid.stride + 1, device=cell.device)
    xs = (cell % width * grid.stride)[:, None, None] + step
    ys = (cell // width * grid.stride)[:, None, None] + step[:, None]
    xs, ys = torch.broadcast_tensors(xs, ys)
    inside = (xs >= 0) & (xs < w) & (ys >= 0) & (ys < h)
    near = pixels.permute(1, 2, 0)[ys.clamp(0, h - 1), xs.clamp(0, w - 1)]
    similarity = torch.einsum("mijd,md->mij", near, points)
    weight = (similarity * PEAK_SCALE).masked_fill(~inside, float("-inf")).flatten(1).softmax(1).view_as(similarity)
    position = torch.stack([(weight * xs).sum((1, 2)), (weight * ys).sum((1, 2))], 1)
    return position, (weight * similarity).sum((1, 2))

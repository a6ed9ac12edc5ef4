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

from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.reuse import ReusedMemory
from i2p_ros.core.types import DescriptorSimilarity

Similarity = NDArray[np.float32]
Rows = NDArray[np.int64]
ROWS_AT_ONCE = 512  # of products in bf16, which are copied while they are in the cache
_PRODUCTS = ReusedMemory()
PEAK_SCALE = 20.0  # of the softmax around a peak of similarity: that of the dense loss in training


@dataclass(frozen=True)
class Grid:
    """Descriptors of square cells of `stride` pixels: `cells` (D, h, w)."""

    cells: Tensor
    stride: int


def coarse(pixels: Tensor, most: int) -> Grid:
    """The means of pixel descriptors (D, h, w) over cells, which are as small as about `most` of them allow."""
    stride = max(1, math.ceil(math.sqrt(pixels.shape[1] * pixels.shape[2] / most) - 1e-9))
    return Grid(F.avg_pool2d(pixels[None], stride)[0] if stride > 1 else pixels, stride)


def product(points: Tensor, cells: Tensor, both: Both = in_turn) -> Similarity:
    """(N, P) dot products of points (N, D) and cells (D, P), in memory that is used again when they are gone.

    Descriptors in bf16 are multiplied in bf16: the products are then rounded to about 0.002.
    """
    if points.device.type != "cpu":
        return (points @ cells).float().cpu().numpy()
    out = _PRODUCTS.empty((len(points), cells.shape[1]))
    halves = zip(points.tensor_split(2), torch.from_numpy(out).tensor_split(2), strict=True)
    both(*(partial(_multiplied, rows, cells, half) for rows, half in halves))
    return out


def _multiplied(points: Tensor, cells: Tensor, out: Tensor) -> None:
    if points.dtype == out.dtype:
        torch.mm(points, cells, out=out)
        return
    for rows, part in zip(points.split(ROWS_AT_ONCE), out.split(ROWS_AT_ONCE), strict=True):
        part.copy_(rows @ cells)


def mutual(
    similarity: DescriptorSimilarity, sector: Rows, views: NDArray[np.bool_], most: int
) -> list[tuple[Rows, Rows]]:  # fmt: skip
    """Mutual best matches for each view (V, S) of S sectors: rows of points and of cells, the `most` most similar.

    `sector` (N,), ascending, is the sector of each point; only points of the sectors of a view take part. The best cell
    of a point is the same in every view. The best point of a cell is that of the best sector of the view.
    """
    cell, value = similarity.best
    best = np.full((views.shape[1], similarity.values.shape[1]), -np.inf, np.float32)
    for k, start in zip(*np.unique(sector, return_index=True), strict=True):
        best[k] = similarity.values[start : np.searchsorted(sector, k, "right")].max(axis=0)
    found = []
    for view in views:
        row = np.flatnonzero(view[sector] & (value >= best[view].max(axis=0)[cell]))
        row = row[np.argsort(-value[row], kind="stable")[:most]]
        found.append((row, cell[row]))
    return found


def peaks(pixels: Tensor, points: Tensor, grid: Grid, cell: Tensor) -> tuple[Tensor, Tensor]:
    """(M, 2) positions x, y and (M,) heights of the peaks of similarity of points (M, D), near their cells (M,).

    They are the mean position and the mean similarity over the pixels in and next to the cell, weighted by softmax.
    """
    _, h, w = pixels.shape
    width = grid.cells.shape[2]
    step = torch.arange(-1, grid.stride + 1, device=cell.device)
    xs = (cell % width * grid.stride)[:, None, None] + step
    ys = (cell // width * grid.stride)[:, None, None] + step[:, None]
    xs, ys = torch.broadcast_tensors(xs, ys)
    inside = (xs >= 0) & (xs < w) & (ys >= 0) & (ys < h)
    near = pixels.permute(1, 2, 0)[ys.clamp(0, h - 1), xs.clamp(0, w - 1)]
    similarity = torch.einsum("mijd,md->mij", near.float(), points.float())
    weight = (similarity * PEAK_SCALE).masked_fill(~inside, float("-inf")).flatten(1).softmax(1).view_as(similarity)
    position = torch.stack([(weight * xs).sum((1, 2)), (weight * ys).sum((1, 2))], 1)
    return position, (weight * similarity).sum((1, 2))

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

Similarity = NDArray[np.float32]
Rows = NDArray[np.int64]
ROWS_AT_ONCE = 64  # of products
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


@dataclass(frozen=True, eq=False)
class Compared:
    """Dot products `values` (N, P) of N points and P cells, in memory that is used again when they are gone.

    `cell` (N,) is the most similar one of each point, `value` (N,) its similarity, and `best` (S, P) the largest
    similarity of each cell to the points of each sector; -inf to those of a sector without any.
    """

    values: Similarity
    cell: Rows
    value: NDArray[np.float32]
    best: Similarity


def compared(points: Tensor, cells: Tensor, sector: Rows, sectors: int, both: Both = in_turn) -> Compared:
    """Points (N, D), ordered by their sector (N,) of so many `sectors`, compared with cells (D, P).

    On the CPU some points at a time, whose products are still in the cache when the largest are looked for. Descriptors
    in bf16 are multiplied in bf16: the products are then rounded to about 0.002.
    """
    if points.device.type != "cpu":
        values = (points @ cells).float().cpu().numpy()
    else:
        values = _PRODUCTS.empty((len(points), cells.shape[1]))
    cell, best = np.empty(len(points), np.int64), np.full((2, sectors, cells.shape[1]), -np.inf, np.float32)

    def compare(rows: NDArray[np.int64], best: Similarity) -> None:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(rows[start], rows[start] + min(ROWS_AT_ONCE, len(rows) - start))
            if points.device.type == "cpu":
                _multiply(points[some], cells, torch.from_numpy(values[some]))
            cell[some] = values[some].argmax(axis=1)
            for k, first in zip(*np.unique(sector[some], return_index=True), strict=True):
                of_sector = values[some][first : np.searchsorted(sector[some], k, "right")]
                np.maximum(best[k], of_sector.max(axis=0), out=best[k])

    both(*(partial(compare, *half) for half in zip(np.array_split(np.arange(len(points)), 2), best, strict=True)))
    return Compared(values, cell, values[np.arange(len(points)), cell], best.max(axis=0))


def _multiply(points: Tensor, cells: Tensor, out: Tensor) -> None:
    if points.dtype == out.dtype:
        torch.mm(points, cells, out=out)
    else:
        out.copy_(points @ cells)


def mutual(found: Compared, sector: Rows, views: NDArray[np.bool_], most: int) -> list[tuple[Rows, Rows]]:
    """Mutual best matches for each view (V, S) of S sectors: rows of points and of cells, the `most` most similar.

    Only points of the sectors of a view take part. The best cell of a point is the same in every view. The best point
    of a cell is that of the best sector of the view.
    """
    matches = []
    for view in views:
        row = np.flatnonzero(view[sector] & (found.value >= found.best[view].max(axis=0)[found.cell]))
        row = row[np.argsort(-found.value[row], kind="stable")[:most]]
        matches.append((row, found.cell[row]))
    return matches


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

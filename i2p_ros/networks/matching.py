# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From descriptor and score maps to matches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.core.config import MatchingSettings


@dataclass(frozen=True)
class Matches:
    """M matches: `point` (M,) rows, `pixel` (M, 2) sub-pixel x, y on the descriptor map, `weight` (M,) in 0..1."""

    point: Tensor
    pixel: Tensor
    weight: Tensor


def match(
    pixels: Tensor, points: Tensor, pixel_scores: Tensor, point_scores: Tensor, settings: MatchingSettings
) -> Matches:
    """The most similar mutual pairs among the likeliest pixels and points.

    pixels (D, h, w) and points (N, D) are unit descriptors; scores (h, w) and (N,) in 0..1. The products are done
    in chunks, so memory is at most chunk x max_pixels floats whatever comes in.
    """
    rows = point_scores.topk(min(settings.max_points, len(points))).indices
    rows = rows[point_scores[rows] >= settings.min_score]
    columns = pixel_scores.flatten().topk(min(settings.max_pixels, pixel_scores.numel())).indices
    if not len(rows):
        return Matches(rows, pixels.new_zeros(0, 2), pixels.new_zeros(0))
    similarity, best, mutual = _mutual_best(points[rows], pixels.flatten(1)[:, columns], settings.chunk)
    kept = mutual.nonzero()[:, 0]
    kept = kept[similarity[kept].topk(min(settings.max_matches, len(kept))).indices]
    row, column = rows[kept], columns[best[kept]]
    weight = similarity[kept].clamp(0, 1) * point_scores[row] * pixel_scores.flatten()[column]
    return Matches(row, _subpixel_peak(pixels, points[row], column), weight)


def _mutual_best(points: Tensor, pixels: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each point of (N, D): best similarity to pixels (D, P), which pixel, and whether that pixel agrees."""
    similarity, best, pixel_best, pixel_point = [], [], points.new_full((pixels.shape[1],), -2.0), None
    for start in range(0, len(points), chunk):
        s = points[start : start + chunk] @ pixels
        value, index = s.max(1)
        similarity.append(value)
        best.append(index)
        column_value, column_index = s.max(0)
        better = column_value > pixel_best
        pixel_best = torch.where(better, column_value, pixel_best)
        found = column_index + start
        pixel_point = found if pixel_point is None else torch.where(better, found, pixel_point)
    all_best = torch.cat(best)
    assert pixel_point is not None
    return torch.cat(similarity), all_best, pixel_point[all_best] == torch.arange(len(points), device=points.device)


def _subpixel_peak(pixels: Tensor, points: Tensor, column: Tensor) -> Tensor:
    """(M, 2) x, y of the peak of similarity near the integer peak: mean of its 3x3 cells, weighted by softmax."""
    _, h, w = pixels.shape
    x, y = column % w, column // w
    step = torch.tensor([-1, 0, 1], device=column.device)
    xs, ys = x[:, None, None] + step, y[:, None, None] + step[:, None]
    xs, ys = xs.expand(-1, 3, 3), ys.expand(-1, 3, 3)
    inside = (xs >= 0) & (xs < w) & (ys >= 0) & (ys < h)
    near = pixels[:, ys.clamp(0, h - 1), xs.clamp(0, w - 1)]
    similarity = torch.einsum("dmij,md->mij", near, points).masked_fill(~inside, float("-inf"))
    weight = (similarity * 20.0).flatten(1).softmax(1).view_as(similarity)  # the scale the dense loss trains with
    return torch.stack([(weight * xs).sum((1, 2)), (weight * ys).sum((1, 2))], 1)

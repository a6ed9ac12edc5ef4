# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches from coarse to fine (2D3D-MATR): pairs of patches, then pairs of a pixel and a point within them.

All tensors have fixed sizes; masks say what counts. The choices have no gradient. What follows from the descriptors of
the chosen has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from i2p_ros.networks.matching import PEAK_SCALE

LEVELS = 3  # of patches of the image, each twice as wide as those before
SIDE = 4  # pixels of the fine map along each axis of the patches of the first level
PATCH = 8  # most pixels of a patch along each axis: larger patches are subsampled
NOTHING = -1e4  # in place of a similarity of -inf: sums of outputs stay finite
APART = 10.0  # added to distances of pairs that are not mutual or too far apart: they come after all others


class PatchLimits(BaseModel):
    """Limits of what is matched with what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_points: int = 4  # of a patch of points that is matched
    coarse_neighbours: int = 3  # a pair of patches is among so many nearest ones of both
    coarse_distance: float = 0.75  # largest distance of their unit descriptors
    fewest_pairs: int = 96  # the nearest pairs that are taken even so
    most_pairs: int = 192
    fine_similarity: float = 0.75  # least cosine of the descriptors of a match
    fewest_matches: int = 128  # the best matches that are taken even so
    most_matches: int = 512


@dataclass(frozen=True)
class ImagePatches:
    """Patches of a map of h x w pixels: rows `pixels` (T, PATCH^2) of the pixels in each of the T patches of all
    levels, `inside` (T, PATCH^2) which of them there are, and `sizes`, rows and columns of patches of every level."""

    pixels: Tensor
    inside: Tensor
    sizes: tuple[tuple[int, int], ...]

    @staticmethod
    def of(fine: Tensor) -> ImagePatches:
        """Patches of a map (B, D, h, w)."""
        (pixels, inside, sizes), device = _patches(fine.shape[2], fine.shape[3]), fine.device
        return ImagePatches(pixels.to(device), inside.to(device), sizes)


@dataclass(frozen=True)
class PointPatches:
    """Patches of points about M nodes: rows `points` (B, M, P) of their points, `inside` (B, M, P) which of them there
    are, and the `node` (B, N) that each point belongs to."""

    points: Tensor
    inside: Tensor
    node: Tensor

    @staticmethod
    @torch.no_grad()
    def of(points: Tensor, nodes: int, most: int) -> PointPatches:
        """Patches of points (B, N, 3) about the first of them: each belongs to its nearest node."""
        distance = torch.cdist(points[:, :nodes], points, compute_mode="donot_use_mm_for_euclid_dist")
        node = distance.argmin(1)
        other = node[:, None] != torch.arange(distance.shape[1], device=points.device)[:, None]
        near = distance.masked_fill(other, torch.inf).topk(min(most, points.shape[1]), 2, largest=False)
        return PointPatches(near.indices, near.values.isfinite(), node)


@dataclass(frozen=True)
class PatchPairs:
    """Pairs of patches of an image and of a cloud, (B, K) rows of each, and which of them are `valid`."""

    image: Tensor
    cloud: Tensor
    valid: Tensor


@dataclass(frozen=True)
class FineMatches:
    """Matches: (B, Q) rows of pixels of the fine map and of points, their `similarity`, and which are `valid`."""

    pixel: Tensor
    point: Tensor
    similarity: Tensor
    valid: Tensor


@torch.no_grad()
def coarse_pairs(image: Tensor, cloud: Tensor, patches: PointPatches, limits: PatchLimits) -> PatchPairs:
    """Pairs of unit descriptors (B, T, D) and (B, M, D): those that are among the nearest of each other and near.

    `coarse_distance` is a ceiling of the distance, and `fewest_pairs` a floor of the number: where fewer are near, the
    nearest ones are taken.
    """
    distance = distances(image, cloud)
    empty = patches.inside.sum(2) < limits.least_points
    distance = distance.masked_fill(empty[:, None], APART)
    of_row, of_column = (_kth_smallest(distance, limits.coarse_neighbours, axis) for axis in (2, 1))
    good = (distance <= of_row) & (distance <= of_column) & (distance <= limits.coarse_distance)
    ranked = torch.where(good, distance, distance + APART).flatten(1)
    best = ranked.topk(min(limits.most_pairs, ranked.shape[1]), 1, largest=False)
    enough = torch.arange(best.values.shape[1], device=image.device) < limits.fewest_pairs
    valid = (best.values < APART) | (enough & (best.values < 2.0 * APART))
    return PatchPairs(best.indices // cloud.shape[1], best.indices % cloud.shape[1], valid)


@torch.no_grad()
def fine_matches(
    pixels: Tensor, points: Tensor, pairs: PatchPairs, of_image: ImagePatches, of_cloud: PointPatches,
    limits: PatchLimits,
) -> FineMatches:  # fmt: skip
    """Mutual best matches within each pair of patches, of unit descriptors (B, h w, D) and (B, N, D).

    Of all pairs together each match is taken once, and the `most_matches` most similar ones.
    """
    similarity, pixel, point = patch_similarity(pixels, points, pairs, of_image, of_cloud)
    best, at = similarity.max(2)  # over the pixels of a patch: (B, K, P)
    mutual = similarity.amax(3).gather(2, at) <= best
    value = torch.where(mutual & pairs.valid[..., None], best, NOTHING).flatten(1)
    of_pixel, of_point = pixel.gather(2, at).flatten(1), point.flatten(1)
    value = _once(value, of_pixel * points.shape[1] + of_point)
    top = value.topk(min(limits.most_matches, value.shape[1]), 1)
    enough = torch.arange(top.values.shape[1], device=pixels.device) < limits.fewest_matches
    valid = (top.values >= limits.fine_similarity) | (enough & (top.values > 0.0))
    return FineMatches(of_pixel.gather(1, top.indices), of_point.gather(1, top.indices), top.values, valid)


def patch_similarity(
    pixels: Tensor, points: Tensor, pairs: PatchPairs, of_image: ImagePatches, of_cloud: PointPatches
) -> tuple[Tensor, Tensor, Tensor]:
    """Similarities (B, K, PATCH^2, P) of the pixels and points of each pair, NOTHING where there are none, and the rows
    of these pixels (B, K, PATCH^2) and points (B, K, P)."""
    pixel, point = of_image.pixels[pairs.image], rows_of(of_cloud.points, pairs.cloud)
    similarity = rows_of(pixels, pixel) @ rows_of(points, point).mT
    there = of_image.inside[pairs.image][..., None] & rows_of(of_cloud.inside, pairs.cloud)[:, :, None]
    return similarity.masked_fill(~there, NOTHING), pixel, point


def peaks_near(pixels: Tensor, points: Tensor, row: Tensor, centres: Tensor, width: int) -> Tensor:
    """(B, Q, 2) pixels of the peaks of similarity of points (B, Q, D) near the rows (B, Q) of pixels (B, h w, D).

    They are the means of the centres (h w, 2) of a pixel and those next to it, weighted by the softmax of similarity.
    The gradient reaches all of these descriptors.
    """
    step = torch.arange(-1, 2, device=row.device)
    x, y = (row % width)[..., None, None] + step, (row // width)[..., None, None] + step[:, None]
    x, y = torch.broadcast_tensors(x, y)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < pixels.shape[1] // width)
    near = torch.where(inside, y * width + x, row[..., None, None]).flatten(2)
    logits = PEAK_SCALE * (rows_of(pixels, near) * points[:, :, None]).sum(3)
    weight = logits.masked_fill(~inside.flatten(2), NOTHING).softmax(2)
    return (weight[..., None] * centres[near]).sum(2)


def distances(one: Tensor, other: Tensor) -> Tensor:
    """(B, T, M) distances of unit vectors (B, T, D) and (B, M, D), with a finite gradient at 0."""
    return (2.0 - 2.0 * one @ other.mT).clamp(min=1e-6).sqrt()


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    """Rows (B, *S, ...) of x (B, N, ...) at index (B, *S)."""
    batch = torch.arange(len(x), device=x.device).view(-1, *[1] * (index.dim() - 1))
    return x[batch, index]


def _kth_smallest(distance: Tensor, k: int, axis: int) -> Tensor:
    return distance.topk(min(k, distance.shape[axis]), axis, largest=False).values.amax(axis, keepdim=True)


def _once(value: Tensor, key: Tensor) -> Tensor:
    """Values (B, C) with NOTHING for all but the best of those with the same key (B, C)."""
    order = value.sort(dim=1, descending=True, stable=True).indices
    order = order.gather(1, key.gather(1, order).sort(dim=1, stable=True).indices)
    keys = key.gather(1, order)
    again = torch.zeros_like(keys, dtype=torch.bool)
    again[:, 1:] = keys[:, 1:] == keys[:, :-1]
    return value.masked_fill(torch.zeros_like(again).scatter(1, order, again), NOTHING)


@lru_cache(maxsize=16)
def _patches(height: int, width: int) -> tuple[Tensor, Tensor, tuple[tuple[int, int], ...]]:
    """As `ImagePatches`, on the CPU."""
    pixels, inside, sizes = [], [], []
    rows, columns, side = -(-height // SIDE), -(-width // SIDE), SIDE
    for _ in range(LEVELS):
        step = torch.arange(PATCH) * max(1, side // PATCH)
        within = step < side
        ys, xs = (torch.arange(n)[:, None] * side + step for n in (rows, columns))
        y, x = ys[:, None, :, None], xs[None, :, None, :]
        there = (y < height) & (x < width) & within[:, None] & within
        row = y.clamp(max=height - 1) * width + x.clamp(max=width - 1)
        pixels.append(row.reshape(rows * columns, -1))
        inside.append(there.reshape(rows * columns, -1))
        sizes.append((rows, columns))
        rows, columns, side = -(-rows // 2), -(-columns // 2), 2 * side
    return torch.cat(pixels), torch.cat(inside), tuple(sizes)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sparse 3-D convolution in plain torch, on any device, with gradients.

Parameters have spconv's layout (out, k0, k1, k2, in), so one state_dict serves both (spconv 2.x, KRSC). The method:
one product per kernel offset over gathered rows, then one segment sum (an embedding bag) over all of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CELLS = 1 << 18  # cells an axis; a margin of one on each side keeps neighbours from wrapping into the next row
_OFFSETS = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]


def _key(coords: Tensor) -> Tensor:
    """(M,) one int64 for each row batch, a0, a1, a2 of (M, 4)."""
    b, x, y, z = (coords + torch.tensor([0, 1, 1, 1], device=coords.device)).unbind(1)
    return ((b * _CELLS + x) * _CELLS + y) * _CELLS + z


def _segments(index: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Order that sorts index, and (n,) where each value's run starts: what an embedding bag wants."""
    counts = torch.bincount(index, minlength=n)
    return torch.argsort(index), torch.cumsum(counts, 0) - counts


@dataclass(frozen=True)
class KernelMap:
    """Which input row meets which output row under which kernel offset, sorted by offset."""

    src: Tensor  # (P,)
    dst: Tensor  # (P,)
    counts: list[int]  # pairs of each offset, in order
    n_src: int
    n_dst: int

    @cached_property
    def transposed(self) -> KernelMap:
        """The map of the inverse convolution."""
        return KernelMap(self.dst, self.src, self.counts, self.n_dst, self.n_src)

    @cached_property
    def by_dst(self) -> tuple[Tensor, Tensor]:
        """Order of the pairs that sorts dst, and where each output row's run starts."""
        return _segments(self.dst, self.n_dst)


def _gather_multiply_sum(x: Tensor, weight: Tensor, m: KernelMap) -> Tensor:
    """(n_dst, out): sum over pairs of x[src] @ weight[offset]; weight (K, in, out)."""
    gathered, products = x.index_select(0, m.src), x.new_empty(len(m.src), weight.shape[2])
    for k, (rows, out) in enumerate(zip(gathered.split(m.counts), products.split(m.counts), strict=True)):
        torch.mm(rows, weight[k], out=out)
    return F.embedding_bag(m.by_dst[0], products, m.by_dst[1], mode="sum")


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, m: KernelMap) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.map = m
        return _gather_multiply_sum(x, weight, m)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (x, weight), m, grad = ctx.saved_tensors, ctx.map, grad.contiguous()
        dx = _gather_multiply_sum(grad, weight.transpose(1, 2), m.transposed)
        pairs = zip(m.src.split(m.counts), m.dst.split(m.counts), strict=True)
        dw = torch.stack([x.index_select(0, s).T @ grad.index_select(0, d) for s, d in pairs])
        return dx, dw, None


class Voxels:
    """The occupied cells of one level: `coords` (M, 4) int64 rows batch, a0, a1, a2, sorted; a* in 0..2^17."""

    def __init__(self, coords: Tensor) -> None:
        self.key, order = torch.sort(_key(coords))
        self.coords = coords[order]

    def __len__(self) -> int:
        return len(self.coords)

    @staticmethod
    def of_points(coords: Tensor) -> tuple[Voxels, Tensor]:
        """Cells of (P, 4) integer coordinates with repeats, and (P,) the cell of each point."""
        key, inverse = torch.unique(_key(coords), return_inverse=True)
        first = torch.empty(len(key), 4, dtype=coords.dtype, device=coords.device)
        first[inverse] = coords
        return Voxels(first), inverse

    @cached_property
    def neighbours(self) -> KernelMap:
        """Map of a submanifold 3x3x3 kernel: coord[src] = coord[dst] + offset; 13 searches, the rest mirrored."""
        n, rows = len(self), torch.arange(len(self), device=self.key.device)
        steps = [(i * _CELLS + j) * _CELLS + k for i, j, k in _OFFSETS[:13]]
        wanted = self.key[None] + torch.tensor(steps, device=self.key.device)[:, None]
        at = torch.searchsorted(self.key, wanted).clamp_(max=n - 1)
        found = self.key[at] == wanted
        counts = found.sum(1).tolist()
        dst, src = found.nonzero()[:, 1].split(counts), at[found].split(counts)
        mirrored = torch.cat([*src, rows, *dst[::-1]]), torch.cat([*dst, rows, *src[::-1]])
        return KernelMap(*mirrored, [*counts, n, *counts[::-1]], n, n)

    def coarser(self) -> tuple[Voxels, KernelMap]:
        """Cells of twice the size, and the map of a 2x2x2 kernel with stride 2 to them."""
        parent = torch.cat([self.coords[:, :1], self.coords[:, 1:] // 2], 1)
        coarse, row = Voxels.of_points(parent)
        x, y, z = (self.coords[:, 1:] % 2).unbind(1)
        child = (x * 2 + y) * 2 + z
        src = torch.sort(child, stable=True).indices
        counts = torch.bincount(child, minlength=8).tolist()
        return coarse, KernelMap(src, row[src], counts, len(self), len(coarse))


@dataclass(frozen=True)
class Pyramid:
    """The cells of every level, the finest first, maps of stride 2 between them, and (P,) the finest of each point."""

    levels: list[Voxels]
    maps: list[KernelMap]
    cell: Tensor

    @staticmethod
    def of_points(coords: Tensor, depth: int) -> Pyramid:
        """Pyramid of (P, 4) integer coordinates with repeats, with `depth` steps of stride 2."""
        finest, cell = Voxels.of_points(coords)
        levels, maps = [finest], []
        for _ in range(depth):
            coarse, kernel_map = levels[-1].coarser()
            levels.append(coarse)
            maps.append(kernel_map)
        for level in levels:
            level.neighbours  # noqa: B018 (computed now, with the rest)
        return Pyramid(levels, maps, cell)

    @staticmethod
    def of_clouds(cells: Tensor, depth: int) -> Pyramid:
        """Pyramid of the integer coordinates (B, N, 3) of the points of a batch of clouds."""
        batch = torch.arange(len(cells), device=cells.device)[:, None, None].expand(-1, cells.shape[1], 1)
        return Pyramid.of_points(torch.cat([batch, cells], 2).flatten(0, 1), depth)

    def cells(self) -> list[Tensor]:
        """(P,) the cell of each point at every level, the finest first."""
        of_points = [self.cell]
        for kernel_map in self.maps:  # of stride 2: each cell has one parent
            parent = torch.empty_like(kernel_map.dst).index_copy_(0, kernel_map.src, kernel_map.dst)
            of_points.append(parent[of_points[-1]])
        return of_points


class SparseConv(nn.Module):
    """A sparse convolution without bias; `weight` (out, k, k, k, in). The map sets the kind: same, down or up."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        mean_neighbours = 8 if kernel == 3 else 1  # of the 27 cells around a surface voxel about 8 are occupied
        scale = (2.0 / (channels_in * mean_neighbours)) ** 0.5
        self.weight = nn.Parameter(torch.randn(channels_out, kernel, kernel, kernel, channels_in) * scale)

    def forward(self, x: Tensor, kernel_map: KernelMap) -> Tensor:
        """(n_dst, out) from (n_src, in)."""
        y: Tensor = _SparseProduct.apply(x, self.per_offset(), kernel_map)
        return y

    def per_offset(self) -> Tensor:
        """(K, in, out) weights of each offset."""
        out, inside = self.weight.shape[0], self.weight.shape[-1]
        return self.weight.reshape(out, -1, inside).permute(1, 2, 0).contiguous()


class FoldedSparseConv(nn.Module):
    """A sparse convolution for inference alone: weights (K, in, out) as they are used, and a bias (out,)."""

    def __init__(self, per_offset: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.per_offset = nn.Parameter(per_offset.detach().clone(), requires_grad=False)
        self.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)

    def forward(self, x: Tensor, kernel_map: KernelMap) -> Tensor:
        """(n_dst, out) from (n_src, in)."""
        return _gather_multiply_sum(x, self.per_offset, kernel_map).add_(self.bias)


class SparseResidual(nn.Module):
    """Two submanifold 3x3x3 convolutions with a shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = SparseConv(channels_in, channels_out), nn.BatchNorm1d(channels_out)
        self.conv2, self.norm2 = SparseConv(channels_out, channels_out), nn.BatchNorm1d(channels_out)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Linear(channels_in, channels_out, bias=False)

    def forward(self, x: Tensor, voxels: Voxels) -> Tensor:
        """(M, out) from (M, in)."""
        y = F.relu(self.norm1(self.conv1(x, voxels.neighbours)))
        return F.relu(self.norm2(self.conv2(y, voxels.neighbours)) + self.shortcut(x))


def mean_by(index: Tensor, x: Tensor, n: int) -> Tensor:
    """(n, C) mean of the rows of x (P, C) with the same index; zero where there is none."""
    total = x.new_zeros(n, x.shape[1]).index_add(0, index, x)
    return total / torch.bincount(index, minlength=n).clamp(min=1)[:, None].to(x.dtype)


class SparseUNet(nn.Module):
    """The voxel branch: a U-Net over occupied cells (after SPVCNN, Tang et al. 2020), back to the points."""

    def __init__(self, channels_in: int, encoder: list[int], decoder: list[int], context: int) -> None:
        super().__init__()
        self.stem, self.stem_norm = SparseConv(channels_in, encoder[0]), nn.BatchNorm1d(encoder[0])
        self.first = SparseResidual(encoder[0], encoder[0])
        steps = list(itertools.pairwise(encoder))
        self.down = nn.ModuleList(SparseConv(a, b, 2) for a, b in steps)
        self.down_norm = nn.ModuleList(nn.BatchNorm1d(b) for _, b in steps)
        self.encode = nn.ModuleList(SparseResidual(b, b) for _, b in steps)
        self.context = nn.Linear(context, encoder[-1])
        up = list(zip([encoder[-1], *decoder[:-1]], decoder, strict=True))
        self.up = nn.ModuleList(SparseConv(a, b, 2) for a, b in up)
        self.up_norm = nn.ModuleList(nn.BatchNorm1d(b) for _, b in up)
        skips = encoder[-2::-1]
        self.decode = nn.ModuleList(SparseResidual(b + s, b) for (_, b), s in zip(up, skips, strict=True))

    def encode_points(self, pyramid: Pyramid, features: Tensor) -> list[Tensor]:
        """Features of the cells of every level, the finest first, from those of the points (P, C)."""
        finest, *coarser = pyramid.levels
        x = mean_by(pyramid.cell, features, len(finest))
        x = F.relu(self.stem_norm(self.stem(x, finest.neighbours)))
        xs = [self.first(x, finest)]
        steps = zip(self.down, self.down_norm, self.encode, pyramid.maps, coarser, strict=True)
        for down, norm, encode, kernel_map, level in steps:
            xs.append(encode(F.relu(norm(down(xs[-1], kernel_map))), level))
        return xs

    def coarsest(self, pyramid: Pyramid, xs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Features (M, C) and batch entries (M,) of the coarsest cells."""
        return xs[-1], pyramid.levels[-1].coords[:, 0]

    def decode_points(self, pyramid: Pyramid, xs: list[Tensor], context: Tensor) -> Tensor:
        """(P, C) features of the points; context (B, C') is added at the coarsest level."""
        return self.decode_levels(pyramid, xs, context)[-1][pyramid.cell]

    def decode_levels(self, pyramid: Pyramid, xs: list[Tensor], context: Tensor) -> list[Tensor]:
        """Decoded features (M, C) of the cells of every level, the coarsest first; context as in `decode_points`."""
        x = xs[-1] + self.context(context)[pyramid.levels[-1].coords[:, 0]]
        decoded = [x]
        for i, (up, norm, decode) in enumerate(zip(self.up, self.up_norm, self.decode, strict=True)):
            level = len(pyramid.maps) - 1 - i
            x = F.relu(norm(up(x, pyramid.maps[level].transposed)))
            x = decode(torch.cat([x, xs[level]], 1), pyramid.levels[level])
            decoded.append(x)
        return decoded

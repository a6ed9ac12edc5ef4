# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The voxel branch by spconv (2.3): the same state_dict as `SparseUNet`, and the same answers. Needs spconv installed.

Rows of the coarser levels come in spconv's own order; that of the finest is the pyramid's.
"""

from __future__ import annotations

import itertools
from typing import Any

import spconv.pytorch as spconv
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.networks.blocks.sparse import Pyramid, mean_by

Sparse = Any  # spconv.SparseConvTensor


def algorithm(device: torch.device) -> Any:
    """The quickest way of the device: spconv has one for the CPU."""
    return spconv.ConvAlgo.MaskImplicitGemm if device.type == "cuda" else spconv.ConvAlgo.Native


def _onto(x: Sparse, features: Tensor) -> Sparse:
    return x.replace_feature(features)


class SpconvResidual(nn.Module):
    """As `SparseResidual`."""

    def __init__(self, channels_in: int, channels_out: int, level: int, algo: Any) -> None:
        super().__init__()
        self.conv1, self.norm1 = _same(channels_in, channels_out, level, algo), nn.BatchNorm1d(channels_out)
        self.conv2, self.norm2 = _same(channels_out, channels_out, level, algo), nn.BatchNorm1d(channels_out)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Linear(channels_in, channels_out, bias=False)

    def forward(self, x: Sparse) -> Sparse:
        """The same cells with other features."""
        y = self.conv1(x)
        y = self.conv2(_onto(y, F.relu(self.norm1(y.features))))
        return _onto(y, F.relu(self.norm2(y.features) + self.shortcut(x.features)))


def _same(channels_in: int, channels_out: int, level: int, algo: Any) -> nn.Module:
    conv: nn.Module = spconv.SubMConv3d(channels_in, channels_out, 3, bias=False, indice_key=f"same{level}", algo=algo)
    return conv


class SpconvUNet(nn.Module):
    """As `SparseUNet`."""

    def __init__(self, channels_in: int, encoder: list[int], decoder: list[int], context: int, algo: Any) -> None:
        super().__init__()
        self.stem, self.stem_norm = _same(channels_in, encoder[0], 0, algo), nn.BatchNorm1d(encoder[0])
        self.first = SpconvResidual(encoder[0], encoder[0], 0, algo)
        steps, depth = list(itertools.pairwise(encoder)), len(encoder) - 1
        self.down = nn.ModuleList(
            spconv.SparseConv3d(a, b, 2, 2, bias=False, indice_key=f"down{k}", algo=algo)
            for k, (a, b) in enumerate(steps)
        )
        self.down_norm = nn.ModuleList(nn.BatchNorm1d(b) for _, b in steps)
        self.encode = nn.ModuleList(SpconvResidual(b, b, k + 1, algo) for k, (_, b) in enumerate(steps))
        self.context = nn.Linear(context, encoder[-1])
        up = list(zip([encoder[-1], *decoder[:-1]], decoder, strict=True))
        self.up = nn.ModuleList(
            spconv.SparseInverseConv3d(a, b, 2, bias=False, indice_key=f"down{depth - 1 - k}", algo=algo)
            for k, (a, b) in enumerate(up)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm1d(b) for _, b in up)
        self.decode = nn.ModuleList(
            SpconvResidual(b + s, b, depth - 1 - k, algo)
            for k, ((_, b), s) in enumerate(zip(up, encoder[-2::-1], strict=True))
        )

    def encode_points(self, pyramid: Pyramid, features: Tensor) -> list[Sparse]:
        """The cells of every level with features, the finest first, from those of the points (P, C)."""
        coords = pyramid.levels[0].coords
        block = 2 ** len(self.down)
        shape = [block * (int(n) // block + 1) for n in coords[:, 1:].amax(0).tolist()]
        x = mean_by(pyramid.cell, features, len(coords)).to(self.context.weight.dtype)
        x = self.stem(spconv.SparseConvTensor(x, coords.int(), shape, int(coords[:, 0].max()) + 1))
        xs = [self.first(_onto(x, F.relu(self.stem_norm(x.features))))]
        for down, norm, encode in zip(self.down, self.down_norm, self.encode, strict=True):
            x = down(xs[-1])
            xs.append(encode(_onto(x, F.relu(norm(x.features)))))
        return xs

    def coarsest(self, pyramid: Pyramid, xs: list[Sparse]) -> tuple[Tensor, Tensor]:
        """Features (M, C) and batch entries (M,) of the coarsest cells."""
        return xs[-1].features.float(), xs[-1].indices[:, 0].long()

    def decode_points(self, pyramid: Pyramid, xs: list[Sparse], context: Tensor) -> Tensor:
        """(P, C) features of the points; context (B, C') is added at the coarsest level."""
        features, batch = self.coarsest(pyramid, xs)
        dtype = self.context.weight.dtype
        x = _onto(xs[-1], features.to(dtype) + self.context(context.to(dtype))[batch])
        for up, norm, decode, skip in zip(self.up, self.up_norm, self.decode, xs[-2::-1], strict=True):
            x = up(x)
            x = decode(_onto(x, torch.cat([F.relu(norm(x.features)), skip.features], 1)))
        return x.features.float()[pyramid.cell]

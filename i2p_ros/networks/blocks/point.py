# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The point branch: set abstraction, vector attention and feature propagation (PointNet++, Point Transformer).

Points come in random order, so the first M of them are an even sample: no farthest-point search is needed.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mlp(*channels: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between and after, over the last axis of (P, C)."""
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(channels):
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def nearest(queries: Tensor, points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Squared distances and indices (B, Q, k) of the k nearest of points (B, N, 3) to queries (B, Q, 3)."""
    k = min(k, points.shape[1])
    with torch.no_grad():
        found = torch.cdist(queries, points).topk(k, dim=2, largest=False)
    return found.values.square(), found.indices


def take(x: Tensor, index: Tensor) -> Tensor:
    """(B, Q, k, C) rows of x (B, N, C) at index (B, Q, k)."""
    b = torch.arange(len(x), device=x.device)[:, None, None]
    return x[b, index]


class SetAbstraction(nn.Module):
    """Each centre sums up its neighbours (Qi et al. 2017), by k nearest rather than by ball."""

    def __init__(self, channels_in: int, channels: list[int], k: int, scale: float) -> None:
        super().__init__()
        self.net, self.k, self.scale = mlp(channels_in + 3, *channels), k, scale

    def forward(self, centres: Tensor, points: Tensor, features: Tensor) -> Tensor:
        """(B, Q, C) features of centres (B, Q, 3) from points (B, N, 3) with features (B, N, C')."""
        _, index = nearest(centres, points, self.k)
        relative = (take(points, index) - centres[:, :, None]) / self.scale
        x = torch.cat([relative, take(features, index)], 3)
        return self.net(x.flatten(0, 2)).view(*x.shape[:3], -1).amax(2)


class VectorAttention(nn.Module):
    """Attention among near points with a weight for each channel (Zhao et al. 2021, eq. 3)."""

    def __init__(self, channels: int, k: int, scale: float) -> None:
        super().__init__()
        self.k, self.scale = k, scale
        self.query, self.key, self.value = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.position = nn.Sequential(nn.Linear(3, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.weight = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.out = nn.Linear(channels, channels)

    def forward(self, points: Tensor, features: Tensor) -> Tensor:
        """(B, N, C) from points (B, N, 3) and features (B, N, C)."""
        _, index = nearest(points, points, self.k)
        position = self.position((points[:, :, None] - take(points, index)) / self.scale)
        logits = self.weight(self.query(features)[:, :, None] - take(self.key(features), index) + position)
        mixed = (logits.softmax(2) * (take(self.value(features), index) + position)).sum(2)
        return features + self.out(mixed)


class FeaturePropagation(nn.Module):
    """Features of few centres brought to many points by the three nearest, weighted by inverse distance."""

    def __init__(self, channels_coarse: int, channels_fine: int, channels_out: int) -> None:
        super().__init__()
        self.net = mlp(channels_coarse + channels_fine, channels_out)

    def forward(self, points: Tensor, features: Tensor, centres: Tensor, coarse: Tensor) -> Tensor:
        """(B, N, C) for points (B, N, 3) with features (B, N, C'), from centres (B, M, 3) with coarse (B, M, C'')."""
        squared, index = nearest(points, centres, 3)
        weight = F.normalize(1.0 / (squared + 1e-4), p=1.0, dim=2)
        spread = (take(coarse, index) * weight[..., None]).sum(2)
        x = torch.cat([spread, features], 2)
        return self.net(x.flatten(0, 1)).view(*x.shape[:2], -1)


class PointNet(nn.Module):
    """Two levels down and up over the points."""

    def __init__(self, channels_in: int, centres: list[int], channels: list[int], k: int, channels_out: int) -> None:
        super().__init__()
        (c1, c2), self.centres = channels, centres
        self.abstract1 = SetAbstraction(channels_in, [c1 // 2, c1], k, scale=2.0)
        self.attend1 = VectorAttention(c1, k, scale=5.0)
        self.abstract2 = SetAbstraction(c1, [c1, c2], k, scale=8.0)
        self.attend2 = VectorAttention(c2, k, scale=10.0)
        self.propagate2 = FeaturePropagation(c2, c1, c1)
        self.propagate1 = FeaturePropagation(c1, channels_in, channels_out)

    def encode(self, points: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, centres[0], channels[0]) and (B, centres[1], channels[1]) of the first of points (B, N, 3)."""
        first, second = (points[:, :n] for n in self.centres)
        near = slice(0, 4 * self.centres[0])  # neighbours from an even sample: a quarter of the search
        x1 = self.attend1(first, self.abstract1(first, points[:, near], features[:, near]))
        return x1, self.attend2(second, self.abstract2(second, first, x1))

    def decode(self, points: Tensor, features: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        """(B, N, C) of all points, from those of both levels."""
        first, second = (points[:, :n] for n in self.centres)
        return self.propagate1(points, features, first, self.propagate2(first, x1, second, x2))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses regressed from a set: from detected points, or from matches (the heads of ICL++, for all six axes)."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # the first two columns of a rotation
NO_SHIFT = (0.0, 0.0, 0.0)


def rotation_of(columns: Tensor) -> Tensor:
    """Rotations (..., 3, 3) of their first two columns (..., 6), any two vectors that are not parallel (Zhou et al.
    2019, On the Continuity of Rotation Representations, eq. 13 to 15)."""
    first, second = columns.unflatten(-1, (2, 3)).unbind(-2)
    x = F.normalize(first, dim=-1)
    y = F.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def layers(*channels: int) -> nn.Sequential:
    """Linear layers with layer norm and ReLU after each."""
    made: list[nn.Module] = []
    for a, b in itertools.pairwise(channels):
        made += [nn.Linear(a, b), nn.LayerNorm(b), nn.ReLU()]
    return nn.Sequential(*made)


def _always(channels: int, value: tuple[float, ...]) -> nn.Linear:
    """A linear layer that at first gives the same value for any input."""
    layer = nn.Linear(channels, len(value))
    nn.init.zeros_(layer.weight)
    layer.bias.data.copy_(torch.tensor(value))
    return layer


class PoseOfSet(nn.Module):
    """A rotation and a translation from a set of elements, each of several parts. Initially the identity."""

    def __init__(self, parts: list[int], width: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(layers(part, width, width) for part in parts)
        self.element = layers(len(parts) * width, 2 * width, 2 * width)
        self.shared = layers(4 * width, 4 * width, 4 * width)
        self.rotation, self.translation = (
            nn.Sequential(layers(4 * width, 2 * width, width), _always(width, start)) for start in (IDENTITY, NO_SHIFT)
        )

    def forward(self, parts: list[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (B, 3, 3) and translations (B, 3) from parts (B, N, C) of elements with weights (B, N)."""
        share = (weights / weights.sum(1, keepdim=True).clamp(min=1e-6))[..., None]
        x = self.element(torch.cat([embed(part) for embed, part in zip(self.embed, parts, strict=True)], 2))
        whole = (share * x).sum(1, keepdim=True).expand_as(x)
        pooled = (share * self.shared(torch.cat([x, whole], 2))).sum(1)
        return rotation_of(self.rotation(pooled).float()), self.translation(pooled).float()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Attention within and between coarse tokens of image and cloud, with Fourier positions (2D3D-MATR, Li et al. 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2p_ros.networks.blocks.attention import CrossAttention
from i2p_ros.networks.blocks.image import Residual

FREQUENCIES = 6  # octaves of a Fourier embedding


def fourier(places: Tensor) -> Tensor:
    """(..., D + 12 D): places (..., D) with their sines and cosines at frequencies 1, 2, ... 32 rad per unit.

    The places themselves come first, and there is no factor pi (2D3D-MATR). It is computed in float32, since half
    precision does not resolve the highest frequency.
    """
    angles = places[..., None, :] * 2.0 ** torch.arange(FREQUENCIES, device=places.device, dtype=places.dtype)[:, None]
    return torch.cat([places, angles.sin().flatten(-2), angles.cos().flatten(-2)], -1)


class CoarseTokens(nn.Module):
    """Tokens of both sides after rounds of self-attention and cross-attention, and image tokens of three levels."""

    def __init__(self, image: int, points: int, width: int, rounds: int) -> None:
        super().__init__()
        size = 1 + 2 * FREQUENCIES
        self.image_in, self.point_in = nn.Linear(image, width), nn.Linear(points, width)
        self.image_place, self.point_place = nn.Linear(3 * size, width), nn.Linear(3 * size, width)
        for name in ("image_self", "point_self", "to_image", "to_points"):
            self.add_module(name, nn.ModuleList(CrossAttention(width, width) for _ in range(rounds)))
        self.coarser = nn.ModuleList(Residual(width, width, 2) for _ in range(2))
        self.image_out = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.point_out = nn.Linear(width, width)

    def forward(
        self, map_: Tensor, nodes: Tensor, map_at: Tensor, nodes_at: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens (B, T, D) of three levels of a map (B, C, h, w), the finest first, and tokens (B, M, D) of nodes
        (B, M, C'); then the same of both sides before any attention. `_at` are Fourier positions of all cells
        (1, h w, P) and of the nodes (B, M, P')."""
        image, points = self.image_in(map_.flatten(2).mT), self.point_in(nodes)
        size = (map_.shape[2], map_.shape[3])
        early = self._levels(image, size), self.point_out(points)
        image, points = image + self.image_place(map_at), points + self.point_place(nodes_at)
        blocks = zip(
            *(self.get_submodule(n) for n in ("image_self", "point_self", "to_image", "to_points")), strict=True
        )
        for image_self, point_self, to_image, to_points in blocks:
            image, points = image_self(image, image), point_self(points, points)
            image = to_image(image, points)
            points = to_points(points, image)
        return self._levels(image, size), self.point_out(points), *early

    def _levels(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, T, D) tokens of three levels from those of the finest (B, h w, D)."""
        x = tokens.mT.unflatten(2, size)
        levels = [x]
        for block in self.coarser:
            x = block(x)
            levels.append(x)
        return torch.cat([out(x.flatten(2).mT) for out, x in zip(self.image_out, levels, strict=True)], 1)

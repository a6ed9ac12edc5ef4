# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panorama branch: a residual U-Net on a cylinder. Turned by a multiple of its stride, it gives turned maps."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RoundConv(nn.Conv2d):
    """A 3 x 3 convolution whose first and last columns are neighbours."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=(1, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H, W)."""
        return super().forward(torch.cat([x[..., -1:], x, x[..., :1]], 3))


def round_convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    """Circular convolution and batch norm."""
    return nn.Sequential(RoundConv(channels_in, channels_out), nn.BatchNorm2d(channels_out))


class RoundResidual(nn.Module):
    """A residual block of circular convolutions."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            round_convolution(channels_in, channels_out), round_convolution(channels_out, channels_out)
        )  # fmt: skip
        shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))
        self.shortcut = nn.Identity() if channels_in == channels_out else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, out, H, W)."""
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class PanoramaUNet(nn.Module):
    """Maps of a panorama at strides 4 and 2. Means over 2 x 2 cells halve the size, so no column is preferred."""

    def __init__(self, channels_in: int, stem: int, stages: list[int], fine: int, coarse: int) -> None:
        super().__init__()
        self.stem = round_convolution(channels_in, stem)
        self.stages = nn.ModuleList(RoundResidual(a, b) for a, b in pairwise([stem, *stages]))
        self.to_coarse = RoundResidual(stages[2] + stages[1], coarse)
        self.to_fine = RoundResidual(coarse + stages[0], fine)

    def forward(self, panorama: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H / 4, W / 4) and (B, C', H / 2, W / 2) from (B, C'', H, W); H and W are multiples of 8."""
        x = F.relu(self.stem(panorama))
        maps = []
        for stage in self.stages:
            x = stage(F.avg_pool2d(x, 2))
            maps.append(x)
        coarse = self.to_coarse(torch.cat([_doubled(x), maps[1]], 1))
        return coarse, self.to_fine(torch.cat([_doubled(coarse), maps[0]], 1))


def _doubled(x: Tensor) -> Tensor:
    """Twice as many rows and columns, each repeated."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")

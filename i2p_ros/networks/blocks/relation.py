# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Relation of an image and a panorama (RelaI2P): tokens of both, yaw by correlation, and fusion at the found yaw."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.networks.cylinder import COLUMNS, correlation, unrolled, widened

START = 40.0  # of the mean cosine of both maps, at first; it is learned
PEAK = 15  # deg on each side of a peak that belong to it
CROPS = 2


class Relation(nn.Module):
    """The cross-modality relation at one level: unit tokens of image and panorama, and their correlation."""

    def __init__(self, image: int, panorama: int, width: int) -> None:
        super().__init__()
        self.image, self.panorama = nn.Conv2d(image, width, 1), nn.Conv2d(panorama, width, 1)
        self.gain = nn.Parameter(torch.ones(()))  # of START

    @torch.autocast("cuda", enabled=False)  # half precision does not resolve the differences between headings
    @torch.autocast("cpu", enabled=False)
    def forward(
        self, image: Tensor, panorama: Tensor, cameras: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, 360) of headings; tokens (B, D, h, w) of the image and (B, D, h', w') of the panorama."""
        seen = F.normalize(self.image(image.float()), dim=1)
        around = F.normalize(self.panorama(panorama.float()), dim=1)
        drawn, covered = unrolled(seen, cameras, size, around.shape[2])
        mean = correlation(drawn, widened(around)) / covered.sum((1, 2)).clamp(min=1.0)[:, None]
        return START * self.gain * mean, seen, around


class RelationFusion(nn.Module):
    """Relation-aware fusion: image and panorama side by side, mixed by a convolution, and channels weighted by what
    the whole map holds. The result is added to the image. Initially an identity."""

    def __init__(self, image: int, panorama: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Conv2d(image + panorama, image, 3, padding=1, bias=False), nn.BatchNorm2d(image))
        self.weigh = nn.Conv2d(image, image, 1)
        self.gain = nn.Parameter(torch.zeros(image, 1, 1))

    def forward(self, image: Tensor, panorama: Tensor) -> Tensor:
        """(B, C, h, w) from maps (B, C, h, w) and (B, C', h, w)."""
        mixed = F.relu(self.mix(torch.cat([image, panorama], 1)))
        weights: Tensor = self.weigh(mixed.mean((2, 3), keepdim=True)).sigmoid()
        return image + self.gain * mixed * weights


def peaks_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, CROPS) headings in rad of the largest peaks of logits (B, COLUMNS), and their shares, whose sum is 1.

    A peak is the mean over the columns within PEAK of the largest, weighted by softmax; so both have gradients.
    """
    shares, rest = logits.softmax(1), logits.detach()
    steps = torch.arange(-PEAK, PEAK + 1, device=logits.device)
    found, masses = [], []
    for _ in range(CROPS):
        top = rest.argmax(1, keepdim=True)
        near = shares.gather(1, (top + steps) % COLUMNS)
        mass = near.sum(1) + 1e-9
        found.append(top[:, 0] + (near * steps).sum(1) / mass)
        masses.append(mass)
        rest = rest.scatter(1, (top + torch.arange(-2 * PEAK, 2 * PEAK + 1, device=top.device)) % COLUMNS, -math.inf)
    mass = torch.stack(masses, 1)
    return torch.stack(found, 1) * (2.0 * math.pi / COLUMNS), mass / mass.sum(1, keepdim=True)

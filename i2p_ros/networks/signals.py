# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predicted signals: a small U-Net predicts from an image what a lidar would measure there, or the shape of surfaces.

Refinement compares points with these signals, see `alignment.signals`.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.alignment.pyramid import grey_levels
from i2p_ros.alignment.signals import LIDAR, PLAIN, Floats, SignalSet, plain_channels
from i2p_ros.core.camera import Camera
from i2p_ros.core.types import Image, Pair
from i2p_ros.networks.blocks.image import ImageUNet, Residual, convolution
from i2p_ros.networks.blocks.trunk import CHANNELS, GREY, SCALE, Trunk

INPUTS = 5  # red, green, blue, and the plain signals: grey values and the strength of edges
MIDDLE, WIDTH = (110.0, 110.0, 110.0, 60.0, 60.0), (60.0, 60.0, 60.0, 50.0, 50.0)  # usual mean and deviation of each
GAIN = 30.0  # grey levels per unit of the output of the last layer


def resized(pair: Pair, camera: Camera) -> Image:
    """(h, w, 3) the image of a pair without lens distortion, in the size of the given camera."""
    image, _ = pair.camera.undistort(pair.image)
    how = cv2.INTER_AREA if camera.width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=how), np.uint8)


def signal_channels(image: Image) -> Floats:
    """(5, H, W) the input of `SignalNetwork` from an image (H, W, 3) without lens distortion, in grey levels."""
    return np.concatenate([image.transpose(2, 0, 1).astype(np.float32), plain_channels(grey_levels(image), PLAIN)])


def assembled(channels: Tensor, head: Tensor, signals: SignalSet) -> Tensor:
    """(B, C, H, W) predicted signals of a set, from the input (B, 5, H, W) and the output of the last layer.

    Plain signals are scaled: up where a lidar would measure the same, down where it would not, as in shadows. To these
    a correction is added. Signals that no grey value resembles consist of the correction alone.
    """
    resized = F.interpolate(head, size=channels.shape[2:], mode="bilinear")
    plain, number = len(signals.plain), len(signals.signals)
    gain, correction = resized.split([plain, number], 1)
    given = channels[:, channels.shape[1] - plain :]
    return F.pad(given * (1.0 + gain), (0, 0, 0, 0, 0, number - plain)) + GAIN * correction


class SignalHead(nn.Conv2d):
    """The last layer: gains of plain signals, and corrections. At first, plain signals stay as they are."""

    def __init__(self, channels_in: int, signals: SignalSet) -> None:
        super().__init__(channels_in, len(signals.plain) + len(signals.signals), 3, padding=1)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.weight[: 2 * len(signals.plain)])
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]


class TrunkSignalDecoder(nn.Module):
    """Predicts signals from the maps of a trunk."""

    def __init__(self, stages: list[int], signals: SignalSet = LIDAR) -> None:
        super().__init__()
        self.set = signals
        self.laterals = nn.ModuleList(convolution(a, b, 1) for a, b in zip(CHANNELS, stages, strict=True))
        above = stages[:0:-1]
        self.decoder = nn.ModuleList(Residual(a + b, b) for a, b in zip(above, stages[-2::-1], strict=True))
        self.head = SignalHead(stages[0], signals)

    def forward(self, channels: Tensor, of_trunk: list[Tensor]) -> Tensor:
        """(B, C, H, W) predicted signals in grey levels, from the channels (B, 5, H, W) and the maps of the trunk."""
        maps = [F.relu(layer(x)) for layer, x in zip(self.laterals, of_trunk, strict=True)]
        x = maps.pop()
        for block, skip in zip(self.decoder, maps[::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, size=skip.shape[2:], mode="bilinear"), skip], 1))
        return assembled(channels, self.head(x), self.set)


class TrunkSignalNetwork(nn.Module):
    """Predicts signals from an image alone, by a trunk that nothing else takes."""

    def __init__(self, stages: list[int], signals: SignalSet = LIDAR) -> None:
        super().__init__()
        self.trunk, self.decoder = Trunk(), TrunkSignalDecoder(stages, signals)

    def forward(self, channels: Tensor) -> Tensor:
        """(B, C, H, W) predicted signals in grey levels, one channel for each of the set, from (B, 5, H, W)."""
        predicted: Tensor = self.decoder(channels, self.trunk((channels[:, :3] - GREY) / SCALE))
        return predicted


class SignalNetwork(nn.Module):
    """A U-Net that predicts signals from an image alone."""

    def __init__(self, stages: list[int], signals: SignalSet = LIDAR) -> None:
        super().__init__()
        self.set = signals
        self.unet = ImageUNet(INPUTS, stages[0], stages, [1] * len(stages), 1, stages[-2::-1], 0)
        self.head = SignalHead(stages[0], signals)

    def forward(self, channels: Tensor) -> Tensor:
        """(B, C, H, W) predicted signals in grey levels, one channel for each of the set, from (B, 5, H, W)."""
        middle, width = (torch.tensor(values).to(channels)[:, None, None] for values in (MIDDLE, WIDTH))
        decoded = self.unet.decode(self.unet.encode((channels - middle) / width))
        return assembled(channels, self.head(decoded), self.set)

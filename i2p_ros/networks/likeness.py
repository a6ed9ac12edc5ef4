# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a lidar would measure where an image looks: a small U-Net from colours to the signals that points are compared
with when a pose is refined, see `alignment.signals`."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.alignment.pyramid import grey_levels
from i2p_ros.alignment.signals import PREDICTED, Floats, plain_channels
from i2p_ros.core.camera import Camera
from i2p_ros.core.types import Image, Pair
from i2p_ros.networks.blocks.image import ImageUNet

CHANNELS = 5  # red, green, blue, and the plain signals
INPUTS = tuple(
    signal for signal in PREDICTED if signal.of_image
)  # the first of PREDICTED: their channels are corrected
PLAIN = len(INPUTS)
MIDDLE, WIDTH = (110.0, 110.0, 110.0, 60.0, 60.0), (60.0, 60.0, 60.0, 50.0, 50.0)  # about, of the channels
GAIN = 30.0  # grey levels that one of the last layer stands for


def resized(pair: Pair, camera: Camera) -> Image:
    """The image of a pair without its lens, in the size of a camera."""
    image, _ = pair.camera.undistort(pair.image)
    how = cv2.INTER_AREA if camera.width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=how), np.uint8)


def channels_of(image: Image) -> Floats:
    """(5, H, W) what the network is given of an image without a lens."""
    return np.concatenate([image.transpose(2, 0, 1).astype(np.float32), plain_channels(grey_levels(image), INPUTS)])


class Likeness(nn.Module):
    """The plain signals, made stronger where a lidar would see the same, and weaker where it would not, as in shadows;
    and what is to be added to them, or makes up signals that no grey value tells."""

    def __init__(self, stages: list[int]) -> None:
        super().__init__()
        self.unet = ImageUNet(CHANNELS, stages[0], stages, [1] * len(stages), 1, stages[-2::-1], 0)
        self.head = nn.Conv2d(stages[0], PLAIN + len(PREDICTED), 3, padding=1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.weight[: 2 * PLAIN])  # to begin with, plain signals stay as they are
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, channels: Tensor) -> Tensor:
        """(B, C, H, W) in grey levels, one channel for each of PREDICTED, from those of images (B, 5, H, W)."""
        middle, width = (torch.tensor(values).to(channels)[:, None, None] for values in (MIDDLE, WIDTH))
        decoded = self.unet.decode(self.unet.encode((channels - middle) / width))
        stronger, added = F.interpolate(self.head(decoded), size=channels.shape[2:], mode="bilinear").split(
            [PLAIN, len(PREDICTED)], 1
        )
        plain = F.pad(channels[:, -PLAIN:] * (1.0 + stronger), (0, 0, 0, 0, 0, len(PREDICTED) - PLAIN))
        return plain + GAIN * added

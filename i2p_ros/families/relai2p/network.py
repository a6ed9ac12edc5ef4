# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The RelaI2P network: that of VP2P, whose image branch is related to a panorama of the cloud.

`_related` is the method, one line per step. The relation of image and panorama at two strides gives a distribution of
the heading of the camera by correlation over all 360 shifts (CMRM). The image branch takes the panorama at the two
likeliest headings (RAFM). Nothing but the given cloud and the image tells the heading.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.network import example_with_camera
from i2p_ros.families.relai2p.inputs import PANORAMA_CHANNELS
from i2p_ros.families.relai2p.settings import RelaI2PSettings
from i2p_ros.families.vp2p.network import ImageFeatures, SeenImage, VP2PNetwork
from i2p_ros.networks.base import PassInputs, Tensors
from i2p_ros.networks.blocks.panorama import PanoramaUNet
from i2p_ros.networks.blocks.relation import CROPS, Relation, RelationFusion, peaks_of
from i2p_ros.networks.cylinder import COLUMNS, bearings, sampled
from i2p_ros.networks.geometry import pixel_centres

LOW_MAP, HIGH_MAP = 1, 2  # of the image: at strides 4 and 8; those of the panorama have about the same angles per cell


@dataclass(frozen=True)
class RelatedImage(ImageFeatures):
    """Encoded image after it was related to a panorama. `outputs` are `headings` (B, 360), logits, and tokens."""

    outputs: Tensors


class RelaI2PNetwork(VP2PNetwork):
    """Descriptors of pixels and points as of VP2P, and headings of the camera in the frame of the points."""

    part_names = (*VP2PNetwork.part_names, "panorama", "fusion")

    settings: RelaI2PSettings

    def __init__(self, settings: RelaI2PSettings) -> None:
        super().__init__(settings)
        s, (coarse, fine) = settings, settings.panorama_decoder
        if s.relation:
            self.panorama = PanoramaUNet(PANORAMA_CHANNELS, s.panorama_stem, s.panorama_stages, fine, coarse)
            self.high = Relation(s.image_stages[HIGH_MAP], coarse, s.relation_width)
            self.low = Relation(s.image_stages[LOW_MAP], fine, s.relation_width)
        if s.fusion:
            self.fusion = RelationFusion(s.image_stages[LOW_MAP], fine)

    def encode_shared(self, shared: Tensors) -> SeenImage:
        """Features of the `image` (B, 5, H, W) of a `camera` (B, 4)."""
        return SeenImage.of(self.encode_image(shared["image"]), shared)

    def forward_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """As VP2P, and `headings` (B, 360): the logit of each whole degree from the x axis of the points to their y
        axis being the heading of the camera. There is a `panorama` (B, 8, rows, 360) beside the points."""
        if not self.settings.relation:
            return super().forward_pass(encoded, inputs, both)
        related = self._lazily_related(encoded, inputs)
        out = super().forward_pass(related, inputs, both)
        return out | {"headings": related().outputs["headings"]}

    def training_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors) -> Tensors:
        """As `forward_pass`, and what losses need: scores, and unit tokens `image_high`, `panorama_high`, `image_low`
        and `panorama_low` (B, D, h, w). If there is a `taught` heading (B,) in rad, the fusion takes it instead."""
        if not self.settings.relation:
            return super().training_pass(encoded, inputs)
        related = self._lazily_related(encoded, inputs)
        return super().training_pass(related, inputs) | related().outputs

    def example(self) -> PassInputs:
        """As of VP2P, with a camera and a panorama of normal noise."""
        given = example_with_camera()
        noise = torch.randn(
            1, PANORAMA_CHANNELS, self.settings.panorama_rows, COLUMNS, generator=torch.Generator().manual_seed(1)
        )
        return PassInputs(given.shared, given.inputs | {"panorama": noise})

    def _lazily_related(self, encoded: Lazy[ImageFeatures], inputs: Tensors) -> Lazy[RelatedImage]:
        def related() -> RelatedImage:
            image = encoded()
            assert isinstance(image, SeenImage)
            with stage("panorama"):
                return self._related(image, inputs["panorama"], inputs.get("taught"))

        return Lazy(related)

    def _related(self, image: SeenImage, given: Tensor, taught: Tensor | None) -> RelatedImage:
        coarse, fine = self.panorama(given)
        high, image_high, panorama_high = self.high(image.maps[HIGH_MAP], coarse, image.camera, image.size)
        low, image_low, panorama_low = self.low(image.maps[LOW_MAP], fine, image.camera, image.size)
        outputs = {
            "headings": high + low, "image_high": image_high, "panorama_high": panorama_high,
            "image_low": image_low, "panorama_low": panorama_low,
        }  # fmt: skip
        maps = self._fused(image, fine, high + low, taught) if self.settings.fusion else image.maps
        return RelatedImage(image.trunk, maps, image.whole, image.directions, outputs)

    def _fused(self, image: SeenImage, fine: Tensor, logits: Tensor, taught: Tensor | None) -> list[Tensor]:
        """The maps of the image, that of LOW_MAP fused with the panorama at the likeliest headings."""
        headings, shares = peaks_of(logits.float())
        if taught is not None:
            headings, shares = taught[:, None].expand(-1, CROPS), torch.full_like(shares, 1.0 / CROPS)
        of_image = image.maps[LOW_MAP]
        azimuth, elevation = bearings(pixel_centres(of_image, image.size), image.camera)
        crops = [sampled(fine.float(), azimuth + headings[:, k, None], elevation) for k in range(CROPS)]
        crop = (torch.stack(crops, 1) * shares[:, :, None, None]).sum(1)
        fused = self.fusion(of_image, crop.to(of_image.dtype).unflatten(2, of_image.shape[2:]))
        return [*image.maps[:LOW_MAP], fused, *image.maps[LOW_MAP + 1 :]]

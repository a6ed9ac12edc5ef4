# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The VP2P network: voxel, point and pixel branches in one descriptor space (Zhou et al., NeurIPS 2023), with changes.

These differ from the published network. Voxels are 0.3 m or larger, since voxels of 5 cm have hardly any neighbours.
The global vector of each side enters the bottleneck of the other as well as the score heads. The coarsest pixels and
points attend to each other. Pixels get their viewing direction, points their height above the ground and their place
within their voxel.

The same weights serve passes with and without a guess of the pose. With a guess the cloud is cropped to what may be in
view, so that more of it is kept. It is given in axes along those of the guessed camera, and each point gets the
direction in which that camera sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.inputs import GUESS_FEATURES, POINT_FEATURES
from i2p_ros.families.branches.network import BranchNetwork, example_arrays, image_branch, signal_network
from i2p_ros.families.vp2p.settings import VP2PSettings
from i2p_ros.networks.base import Called, Part, PassInputs, Tensors, with_modules
from i2p_ros.networks.blocks.attention import Exchange
from i2p_ros.networks.blocks.image import AssembledImage, ImageUNet, TrunkUNet
from i2p_ros.networks.blocks.point import PointNet
from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet


@dataclass(frozen=True)
class ImageFeatures:
    """Encoded image: `maps` of every stage, the finest first, their maximum `whole` (B, C) over the coarsest map, and
    the viewing `directions` (B, 2, h, w) of its cells. `trunk` are the maps of a trunk, if there is one."""

    trunk: list[Tensor]
    maps: list[Tensor]
    whole: Tensor
    directions: Tensor


@dataclass(frozen=True)
class SeenImage(ImageFeatures):
    """Encoded image of a camera (B, 4) fx, fy, cx, cy, of height and width `size` in px."""

    camera: Tensor
    size: tuple[int, int]

    @staticmethod
    def of(found: ImageFeatures, shared: Tensors) -> SeenImage:
        """Features of the `image` of a `camera`."""
        image = shared["image"]
        size = image.shape[2], image.shape[3]
        return SeenImage(found.trunk, found.maps, found.whole, found.directions, shared["camera"], size)


@dataclass(frozen=True)
class VoxelFeatures:
    """Encoded voxels: their `pyramid`, features of every level, and their maximum `whole` (B, C) over the coarsest."""

    pyramid: Pyramid
    levels: list[Tensor]
    whole: Tensor


@dataclass(frozen=True)
class PointFeatures:
    """Encoded cloud: `points` (B, N, 3) and `features` (B, N, 8) as given, and `fine` (B, N, 6), which only the last
    layer takes. `x1` and `x2` are of the levels of the point branch; `whole` (B, C) is the maximum of both branches."""

    points: Tensor
    features: Tensor
    fine: Tensor
    voxels: VoxelFeatures
    x1: Tensor
    x2: Tensor
    whole: Tensor


class VP2PNetwork(BranchNetwork):
    """Descriptors and intersection scores of pixels and points. Names of modules are those of the shipped weights."""

    part_names: ClassVar[tuple[str, ...]] = ("encode", "decode", "pixel_descriptor", "point_descriptor")
    dynamic_parts = frozenset({"point_descriptor"})
    rounded_outputs = frozenset({"pixels", "points"})

    settings: VP2PSettings

    def __init__(self, settings: VP2PSettings) -> None:
        super().__init__()
        s = self.settings = settings
        image_out, point_out = s.image_decoder[-1], s.voxel_decoder[-1]
        image_global, voxel_global, point_global = s.image_stages[-1], s.voxel_encoder[-1], s.point_channels[-1]
        cloud_global = voxel_global + point_global
        self.image: ImageUNet | TrunkUNet | AssembledImage = image_branch(s, cloud_global)
        self.voxel = SparseUNet(POINT_FEATURES, s.voxel_encoder, s.voxel_decoder, image_global)
        self.point = PointNet(POINT_FEATURES, s.centres, s.point_channels, s.neighbours, point_out)
        d = s.descriptor
        self.pixel_descriptor = nn.Sequential(nn.Conv2d(image_out, d, 1), nn.ReLU(), nn.Conv2d(d, d, 1))
        self.exchange = Exchange(image_global, point_global, 2, 3)
        self.point_descriptor = nn.Sequential(nn.Linear(point_out + 3 + GUESS_FEATURES, d), nn.ReLU(), nn.Linear(d, d))
        self.pixel_score = nn.Sequential(nn.Conv2d(image_out + cloud_global, d, 1), nn.ReLU(), nn.Conv2d(d, 1, 1))
        self.point_score = nn.Sequential(nn.Linear(point_out + image_global, d), nn.ReLU(), nn.Linear(d, 1))
        self.likeness = signal_network(s)

    def training_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors) -> Tensors:
        """As `forward_pass`, and score logits `pixel_scores` (B, h, w) and `point_scores` (B, N)."""
        return self._outputs(encoded, inputs["points"], inputs["features"], in_turn, scores=True)

    def encode_shared(self, shared: Tensors) -> ImageFeatures:
        """Features of the `image` (B, 5, H, W)."""
        return self.encode_image(shared["image"])

    def forward_pass(self, encoded: Lazy[ImageFeatures], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """Unit descriptors `pixels` (B, D, h, w) and `points` (B, N, D), from `points` (B, N, 3) in m and `features`
        (B, N, 8)."""
        return self._outputs(encoded, inputs["points"], inputs["features"], both, scores=False)

    def example(self) -> PassInputs:
        """Normal noise, the points of about the extent of a street."""
        return PassInputs(*example_arrays())

    def dense_parts(self) -> dict[str, nn.Module]:
        """Each of `part_names` that there is: the image branch in two parts, and modules of the network."""
        whole = self.image if isinstance(self.image, AssembledImage) else AssembledImage.of(self.image)
        others = {name: module for name, module in self.named_children() if name in self.part_names}
        return {"encode": whole.encoder, "decode": whole.decoder, **others}

    def with_parts(self, parts: Mapping[str, Part]) -> VP2PNetwork:
        """The same network with all of `part_names` replaced."""
        called = {name: Called(part) for name, part in parts.items()}
        image = AssembledImage(called.pop("encode"), called.pop("decode"))
        return with_modules(self, {"image": image, **called})

    def with_spconv(self, half: bool) -> VP2PNetwork:
        """The same network with its voxel branch by spconv. Raises ImportError without it."""
        from i2p_ros.networks.blocks.spconv_unet import SpconvUNet, algorithm

        s, device = self.settings, next(self.parameters()).device
        widths = (POINT_FEATURES, s.voxel_encoder, s.voxel_decoder, s.image_stages[-1])
        voxel = SpconvUNet(*widths, algorithm(device)).to(device).eval()
        voxel.load_state_dict(self.voxel.state_dict())
        return with_modules(self, {"voxel": voxel.half() if half else voxel})

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """Features of images (B, 5, H, W) before they are combined with those of a cloud."""
        with stage("image"):
            encoded = self.image.encode(image)
            maps, trunk = encoded[-len(self.settings.image_stages) :], encoded[: -len(self.settings.image_stages)]
            directions = F.adaptive_avg_pool2d(image[:, -2:], (maps[-1].shape[2], maps[-1].shape[3]))
            return ImageFeatures(trunk, maps, maps[-1].amax((2, 3)), directions)

    def _outputs(
        self, encoded: Lazy[ImageFeatures], points: Tensor, features: Tensor, both: Both, scores: bool
    ) -> Tensors:
        def point_branch() -> tuple[Tensor, Tensor]:
            with stage("point"):
                return self.point.encode(points, features)

        def voxel_branch() -> tuple[Tensor, VoxelFeatures]:
            return self._encode_voxels(points, features)

        if encoded.ready:
            image, ((x1, x2), (fine, voxels)) = encoded(), both(point_branch, voxel_branch)
        else:  # the image takes as long as the other two
            image, ((x1, x2), (fine, voxels)) = both(encoded, lambda: (point_branch(), voxel_branch()))
        whole = torch.cat([voxels.whole, x2.amax(1)], 1)
        return self._combined(image, PointFeatures(points, features, fine, voxels, x1, x2, whole), both, scores)

    def _encode_voxels(self, points: Tensor, features: Tensor) -> tuple[Tensor, VoxelFeatures]:
        """(B, N, 6) what only the last layer takes of the points, and the features of their voxels."""
        within, pyramid = self.voxelized(points)
        with stage("sparse"):
            levels = self.voxel.encode_points(pyramid, features.flatten(0, 1))
            whole = _max_by_batch(*self.voxel.coarsest(pyramid, levels), len(points))
        fine = torch.cat([within - 0.5, features[..., -GUESS_FEATURES:]], 2)
        return fine, VoxelFeatures(pyramid, levels, whole)

    def _combined(self, image: ImageFeatures, cloud: PointFeatures, both: Both, scores: bool) -> Tensors:
        """Outputs of pixels and of points, each from features of both."""
        with stage("heads"):
            coarse, x2 = self._exchanged(image, cloud)

        def pixels() -> Tensors:
            with stage("image"):
                decoded = self.image.decode([*image.maps[:-1], coarse], cloud.whole)
            with stage("heads"):
                return self._pixel_heads(decoded, cloud.whole if scores else None)

        def points() -> Tensors:
            decoded = self._decode_points(image, cloud, x2)
            with stage("heads"):
                return self._point_heads(decoded, cloud.fine, image.whole if scores else None)

        of_pixels, of_points = both(pixels, points)
        return of_pixels | of_points

    def _decode_points(self, image: ImageFeatures, cloud: PointFeatures, x2: Tensor) -> Tensor:
        """(B, N, C) features of the points, the sum of both branches."""
        with stage("point"):
            from_points = self.point.decode(cloud.points, cloud.features, cloud.x1, x2)
        with stage("sparse"):
            from_voxels = self.voxel.decode_points(cloud.voxels.pyramid, cloud.voxels.levels, image.whole)
        return from_voxels.view_as(from_points) + from_points

    def _exchanged(self, image: ImageFeatures, cloud: PointFeatures) -> tuple[Tensor, Tensor]:
        """The coarsest pixels (B, C, h, w) and points (B, M, C') after attention to each other."""
        pixels, points = image.maps[-1], cloud.x2
        places = cloud.features[:, : points.shape[1], :3]
        tokens, points = self.exchange(pixels.flatten(2).mT, points, image.directions.flatten(2).mT, places)
        return tokens.mT.unflatten(2, pixels.shape[2:]), points

    @torch.autocast("cuda", enabled=False)  # half precision does not resolve the differences between descriptors
    @torch.autocast("cpu", enabled=False)
    def _pixel_heads(self, pixels: Tensor, cloud: Tensor | None) -> Tensors:
        out = {"pixels": F.normalize(self.pixel_descriptor(pixels.float()), dim=1)}
        if cloud is not None:
            scores = _scores(self.pixel_score, pixels.float().flatten(2).mT, cloud.float())
            out["pixel_scores"] = scores.unflatten(1, pixels.shape[2:])
        return out

    @torch.autocast("cuda", enabled=False)
    @torch.autocast("cpu", enabled=False)
    def _point_heads(self, points: Tensor, fine: Tensor, image: Tensor | None) -> Tensors:
        out = {"points": F.normalize(self.point_descriptor(torch.cat([points.float(), fine], 2)), dim=2)}
        if image is not None:
            out["point_scores"] = _scores(self.point_score, points.float(), image.float())
        return out


def _scores(head: nn.Sequential, own: Tensor, whole: Tensor) -> Tensor:
    """(B, N) scores by two layers, linear or convolutions of one pixel, of features (B, N, C) and after these the
    `whole` (B, D) of the other side. It is the same for all, so the first layer takes it once."""
    first, last = head[0], head[2]
    assert isinstance(first, nn.Linear | nn.Conv2d)
    assert isinstance(last, nn.Linear | nn.Conv2d)
    weights = first.weight.flatten(1)
    x = F.linear(own, weights[:, : own.shape[2]]) + F.linear(whole, weights[:, own.shape[2] :], first.bias)[:, None]
    return F.linear(F.relu(x), last.weight.flatten(1), last.bias)[..., 0]


def _max_by_batch(x: Tensor, batch: Tensor, n: int) -> Tensor:
    """(n, C) maximum of the rows of each batch entry."""
    start = x.new_full((n, x.shape[1]), -1e4)
    return start.scatter_reduce(0, batch[:, None].expand_as(x), x, "amax")

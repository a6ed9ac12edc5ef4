# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ICL++ network: detection of overlap and frustum, and queries that become matches, from coarse to fine.

`_outputs` is the method, one line per step. Poses are T_camera_input (B, 3, 4), where `input` is the frame of the
given points. Pixels are those of the network's image, and cameras (B, 4) are fx, fy, cx, cy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.camera import MIN_DEPTH
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.inputs import POINT_FEATURES, T_LEVEL_CAMERA
from i2p_ros.families.branches.network import BranchNetwork, example_with_camera, image_branch, signal_network
from i2p_ros.families.icl.settings import ICLSettings, Scale
from i2p_ros.networks.base import Called, Part, PassInputs, Tensors, with_modules
from i2p_ros.networks.blocks.image import ImageEncoder, MapsDecoder
from i2p_ros.networks.blocks.queries import Keypoints, QueryScale, support
from i2p_ros.networks.blocks.regression import PoseOfSet, layers
from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet
from i2p_ros.networks.geometry import match_weights, moved, pixel_centres, project, rays

METRES = 10.0  # unit of the positions that layers take
NOISE_UNIT = 10.0  # Adam moves a number by at most the learning rate, and these have far to go
VIEW_MARGIN = 0.15  # of the image on each side, up to which a point counts as in the detected frustum


@dataclass(frozen=True)
class ImageMaps:
    """Encoded image of a camera (B, 4): decoded `maps`, the coarsest first, and the mean `whole` (B, C) of the coarsest
    encoded one. `size` is height and width in px. `trunk` are the maps of a trunk, if there is one."""

    trunk: list[Tensor]
    maps: list[Tensor]
    whole: Tensor
    camera: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class CloudLevels:
    """Encoded cloud: its `points` (B, N, 3), and `levels` of features (B, M, C) of the first M of them, the coarsest
    first."""

    points: Tensor
    levels: list[Tensor]


@dataclass(frozen=True)
class DetectedCamera:
    """Logits `overlap` (B, M) of the first M points being in view, and the `pose` of the camera's frustum."""

    overlap: Tensor
    pose: Tensor


@dataclass(frozen=True)
class Matches:
    """Queries (B, Q, D) after a scale, with their keypoints in px and in m of the input frame, and the `pose` of the
    camera. `valid` (B, Q): whether a query had anything to attend to. `tokens` are those of the image and the points.
    """

    queries: Tensor
    pose: Tensor
    pixels: Keypoints
    points: Keypoints
    valid: Tensor
    tokens: tuple[Tensor, Tensor]


class ICLNetwork(BranchNetwork):
    """Queries that become matches of pixels and points, and poses regressed from them."""

    settings: ICLSettings

    def __init__(self, settings: ICLSettings) -> None:
        super().__init__()
        s, first = settings, settings.scales[0]
        self.settings, unet = s, image_branch(s, 0)
        self.encoder, self.decoder = ImageEncoder(unet), MapsDecoder(unet)
        self.voxel = SparseUNet(POINT_FEATURES, s.voxel_encoder, s.voxel_decoder, s.image_stages[-1])
        whole, image = s.image_stages[-1], [s.image_stages[-1], *s.image_decoder]
        point = [channels + POINT_FEATURES for channels in s.voxel_decoder]
        self.overlap = nn.Sequential(layers(3 + whole + point[first.level], 2 * s.head, s.head), nn.Linear(s.head, 1))
        self.frustum = PoseOfSet([3, 1, whole, point[first.level]], s.head)
        self.queries = nn.Parameter(torch.randn(s.queries, s.width))
        self.scales = nn.ModuleList(QueryScale(s.width, image[k.level], point[k.level]) for k in s.scales)
        self.residuals = nn.ModuleList(PoseOfSet([2, s.width, 3, s.width], s.head) for _ in s.scales)
        self.noise = nn.Parameter(torch.zeros(3))  # `log_variance` of `match_weights`, in units of NOISE_UNIT
        self.likeness = signal_network(s)
        axes = torch.from_numpy(T_LEVEL_CAMERA.rotation.T.copy()).float()
        self.register_buffer("camera_axes", axes, persistent=False)  # R_camera_level

    def training_pass(self, encoded: Lazy[ImageMaps], inputs: Tensors) -> Tensors:
        """As `forward_pass`, and `image_tokens{k}` (B, h w, D), `point_tokens{k}` (B, M, D) of every scale k."""
        outputs, scales = self._outputs(encoded, inputs, in_turn)
        for k, matches in enumerate(scales):
            outputs[f"image_tokens{k}"], outputs[f"point_tokens{k}"] = matches.tokens
        return outputs

    def forward_pass(self, encoded: Lazy[ImageMaps], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """Outputs from `points` (B, N, 3) in m and `features` (B, N, 8), with axes of S scales and of Q queries.

        `pixels` (B, S, Q, 2) in px, `points` (B, S, Q, 3) in m of the input frame, `valid` (B, S, Q) 1 or 0. `poses`
        (B, S + 1, 3, 4) begin with that of the detected frustum. `overlap` (B, M) are logits of the first M points.
        `weights` (B, Q, 2) in 1/px are those of the last matches.
        """
        return self._outputs(encoded, inputs, both)[0]

    def encode_shared(self, shared: Tensors) -> ImageMaps:
        """Maps of the `image` (B, 5, H, W) of a `camera` (B, 4)."""
        with stage("image"):
            image, n = shared["image"], len(self.settings.image_stages)
            encoded = [*self.encoder(image)]
            maps, whole = [*self.decoder(*encoded[-n:])], encoded[-1].mean((2, 3))
            return ImageMaps(encoded[:-n], maps, whole, shared["camera"], (image.shape[2], image.shape[3]))

    def _outputs(self, encoded: Lazy[ImageMaps], inputs: Tensors, both: Both) -> tuple[Tensors, list[Matches]]:
        image, (pyramid, levels) = both(encoded, lambda: self.encode_voxels(inputs))
        cloud = self._decode_voxels(inputs, pyramid, levels, image.whole)
        with stage("heads"):
            detection = self._detect(image, cloud)
            scales = list[Matches]()
            for k in range(len(self.scales)):
                scales.append(self._refined(k, scales[-1] if scales else detection, image, cloud))
        return {
            "overlap": detection.overlap,
            "poses": torch.stack([detection.pose, *(matches.pose for matches in scales)], 1),
            "pixels": torch.stack([matches.pixels.mean for matches in scales], 1),
            "points": torch.stack([matches.points.mean for matches in scales], 1),
            "valid": torch.stack([matches.valid for matches in scales], 1).float(),
            "weights": self._weights(scales[-1], image.camera),
        }, scales

    def _decode_voxels(self, inputs: Tensors, pyramid: Pyramid, levels: list[Tensor], whole: Tensor) -> CloudLevels:
        """Features of points: those of their cell at a level, and their own."""
        points, most = inputs["points"], max(scale.points for scale in self.settings.scales)
        with stage("sparse"):
            decoded = self.voxel.decode_levels(pyramid, levels, whole)[1:]  # the coarsest cells are too large
            cells = [cell.view(points.shape[:2])[:, :most] for cell in pyramid.cells()[-2::-1]]
            own = inputs["features"][:, :most]
            of_points = [torch.cat([x[cell], own], 2) for x, cell in zip(decoded, cells, strict=True)]
        return CloudLevels(points, of_points)

    def _detect(self, image: ImageMaps, cloud: CloudLevels) -> DetectedCamera:
        """Overlap of the points of the first scale, and the camera regressed from these."""
        first = self.settings.scales[0]
        features = cloud.levels[first.level][:, : first.points]
        places = cloud.points[:, : first.points] / METRES
        whole = image.whole[:, None].expand(*features.shape[:2], -1)
        overlap = self.overlap(torch.cat([places, whole, features], 2))
        turn, centre = self.frustum([places, overlap, whole, features], torch.ones_like(overlap[..., 0]))
        rotation = self.camera_axes @ turn
        pose = torch.cat([rotation, -rotation @ (METRES * centre)[..., None]], 2)
        return DetectedCamera(overlap[..., 0].float(), pose)

    def _refined(self, k: int, before: DetectedCamera | Matches, image: ImageMaps, cloud: CloudLevels) -> Matches:
        """Matches and pose of scale k, from those of the scale before."""
        scale, pixels = self.settings.scales[k], image.maps[self.settings.scales[k].level]
        points, at = cloud.points[:, : scale.points], pixel_centres(pixels, image.size)
        features = cloud.levels[scale.level][:, : scale.points]
        queries = before.queries if isinstance(before, Matches) else self.queries.expand(len(points), -1, -1)
        (seen, image_has), (placed, points_have) = self._supports(before, scale, at, points, image)
        by_image, queries, image_logits, point_logits, *tokens = self.scales[k](queries, pixels, features, seen, placed)
        valid = image_has & points_have
        found = Keypoints.of(image_logits, at.expand(len(points), -1, -1)), Keypoints.of(point_logits, points)
        if isinstance(before, Matches):  # a query without support stays where it was
            found = found[0].where(valid, before.pixels.mean), found[1].where(valid, before.points.mean)
        pose = self._residual(k, before.pose, by_image, queries, found, valid, image.camera)
        return Matches(queries, pose, *found, valid, (tokens[0], tokens[1]))

    def _supports(
        self, before: DetectedCamera | Matches, scale: Scale, at: Tensor, points: Tensor, image: ImageMaps
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Masks of the pixels at (P, 2) and of the points (B, M, 3) for each query, with whether there are any.

        At first these are all pixels, and the points that are in the frustum or are detected themselves.
        """
        if isinstance(before, Matches):
            near = torch.cdist(before.pixels.mean.detach(), at.expand(len(points), -1, -1)) <= scale.image_radius_px
            about = torch.cdist(before.points.mean.detach(), points) <= scale.point_radius_m
            return support(near), support(about)
        uv, depth = project(points, before.pose, image.camera)
        size = torch.tensor(image.size[::-1], device=uv.device)
        inside = ((uv > -VIEW_MARGIN * size) & (uv < (1.0 + VIEW_MARGIN) * size)).all(2) & (depth > MIN_DEPTH)
        in_view = (inside | (before.overlap > 0.0))[:, None].expand(-1, len(self.queries), -1)
        everywhere = in_view.new_ones(len(points), len(self.queries), len(at))
        return support(everywhere), support(in_view)

    def _residual(
        self, k: int, pose: Tensor, by_image: Tensor, queries: Tensor, found: tuple[Keypoints, Keypoints],
        valid: Tensor, camera: Tensor,
    ) -> Tensor:  # fmt: skip
        """The pose after the residual of scale k. It is regressed from matches without a gradient to them (ICL++)."""
        pose = pose.detach()
        seen, placed = rays(found[0].mean, camera), moved(found[1].mean, pose) / METRES
        parts = [seen.detach(), by_image.detach(), placed.detach(), queries.detach()]
        turn, shift = self.residuals[k](parts, valid.float())
        rotated = turn @ pose
        return torch.cat([rotated[..., :3], rotated[..., 3:] + shift[..., None]], 2)

    def _weights(self, last: Matches, camera: Tensor) -> Tensor:
        """(B, Q, 2) in 1/px, 0 of queries that are not valid."""
        spreads = last.pixels.covariance(), last.points.mean, last.points.covariance()
        return match_weights(*spreads, last.pose, camera, NOISE_UNIT * self.noise) * last.valid[..., None]

    def example(self) -> PassInputs:
        """Normal noise, the points of about the extent of a street."""
        return example_with_camera()

    def dense_parts(self) -> dict[str, nn.Module]:
        """Both halves of the image branch, and the attention of every scale."""
        scales = {f"scale{k}": scale for k, scale in enumerate(self.scales)}
        return {"encode": self.encoder, "decode": self.decoder, **scales}

    def with_parts(self, parts: Mapping[str, Part]) -> ICLNetwork:
        """The same network with all of `dense_parts` replaced."""
        called = {name: Called(part) for name, part in parts.items()}
        image = {"encoder": called.pop("encode"), "decoder": called.pop("decode")}
        return with_modules(self, {**image, "scales": nn.ModuleList(called.values())})

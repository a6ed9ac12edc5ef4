# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Diff2I2P network: matches from coarse to fine as in 2D3D-MATR (Li et al. 2023), and the tuning of their points.

`training_pass` is the method, one line per step. The image comes without any depth, and points of the given cloud are
never changed: tuned points are new ones. Pixels are x, y of the network's image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.stages import stage
from i2p_ros.families.branches.inputs import GUESS_FEATURES, MIN_AHEAD, POINT_FEATURES
from i2p_ros.families.branches.network import BranchNetwork, example_with_camera, image_branch, signal_network
from i2p_ros.families.diff2i2p.settings import Diff2I2PSettings
from i2p_ros.networks.base import Called, Part, PassInputs, Tensors, with_modules
from i2p_ros.networks.blocks.coarse import FREQUENCIES, CoarseTokens, fourier
from i2p_ros.networks.blocks.image import ImageEncoder, MapsDecoder
from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet
from i2p_ros.networks.geometry import pixel_centres, rays
from i2p_ros.networks.patches import LEVELS, ImagePatches, PointPatches, coarse_pairs, fine_matches, peaks_near, rows_of

POINTS_OF_NODE = 8  # mean number of points of a patch, at least
METRES = 4.0  # unit of the Fourier positions of nodes
SEEN = slice(-GUESS_FEATURES, -1)  # of the features of a point: its tangents as the guess sees it
USUAL_M = 2.5  # m, the depth of all pixels in a new network


@dataclass(frozen=True)
class PatchedImage:
    """Encoded image of a camera (B, 4): the map `coarse` of the finest patches, unit descriptors `fine` (B, D, h, w),
    the mean `whole` (B, C) of the coarsest encoded map, and where the pixels of the fine map are: `seen` (B, 3, h, w),
    the viewing direction and the log of the predicted depth, and the predicted normals there `normals` (B, 3, h, w),
    along camera axes. `size` is height and width in px. `trunk` are the maps of
    a trunk, if there is one."""

    trunk: list[Tensor]
    coarse: Tensor
    fine: Tensor
    whole: Tensor
    seen: Tensor
    normals: Tensor
    camera: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class SeenCloud:
    """Encoded cloud: features (B, M, C) of the first M points, its `nodes`, unit descriptors `fine` (B, N, D)."""

    nodes: Tensor
    fine: Tensor


class Diff2I2PNetwork(BranchNetwork):
    """Descriptors of patches and of pixels and points, matches of them, and offsets of the matched points."""

    part_names = ("encode", "decode", "depth", "normal", "pixel_descriptor", "point_descriptor", "tokens", "tuning")
    dynamic_parts = frozenset({"point_descriptor"})

    settings: Diff2I2PSettings

    def __init__(self, settings: Diff2I2PSettings) -> None:
        super().__init__()
        s = self.settings = settings
        unet, d = image_branch(s, 0), s.descriptor
        self.encode, self.decode = ImageEncoder(unet), MapsDecoder(unet)
        self.voxel = SparseUNet(POINT_FEATURES, s.voxel_encoder, s.voxel_decoder, s.image_stages[-1])
        coarse, fine = (channels + POINT_FEATURES for channels in (s.voxel_decoder[-2], s.voxel_decoder[-1]))
        self.tokens = CoarseTokens(s.image_decoder[0], coarse, s.width, s.rounds)
        self.pixel_descriptor = nn.Sequential(nn.Conv2d(s.image_decoder[-1], d, 1), nn.ReLU(), nn.Conv2d(d, d, 1))
        self.point_descriptor = nn.Sequential(nn.Linear(fine, d), nn.ReLU(), nn.Linear(d, d))
        self.depth = nn.Conv2d(s.image_decoder[-1], 1, 3, padding=1)
        place = 3 * (1 + 2 * FREQUENCIES)
        self.normal = nn.Conv2d(s.image_decoder[-1], 3, 3, padding=1)
        self.coarse_normal, self.fine_normal = (nn.Linear(place, n, bias=False) for n in (s.width, d))
        self.coarse_place, self.fine_place = (nn.Linear(place, n, bias=False) for n in (s.width, d))
        self.tuning = nn.Sequential(nn.Linear(2 * d, 2 * d), nn.ReLU(), nn.Linear(2 * d, 3))
        for parameter in self.tuning[-1].parameters():
            nn.init.zeros_(parameter)  # no offset at first
        nn.init.zeros_(self.depth.weight)
        nn.init.zeros_(self.normal.weight)
        self.depth.bias = nn.Parameter(torch.full((1,), math.log(USUAL_M)))
        self.likeness = signal_network(s)

    def forward_pass(self, encoded: Lazy[PatchedImage], inputs: Tensors, both: Both = in_turn) -> Tensors:
        """Q matches from `points` (B, N, 3) in m with `features` (B, N, 8) and `normals` (B, N, 3).

        They are `pixels` (B, Q, 2) in px, `points` (B, Q, 3) in m of the input frame, and `weights` (B, Q) in 0..1, 0
        of what is no match; with the unit descriptors of all pixels `fine_pixels` (B, D, h, w) and given points
        `fine_points` (B, N, D).
        """
        outputs = self._outputs(encoded, inputs, both)
        return {name: outputs[name] for name in ("pixels", "points", "weights", "fine_pixels", "fine_points")}

    def training_pass(self, encoded: Lazy[PatchedImage], inputs: Tensors) -> Tensors:
        """As `forward_pass`, with what the losses compare.

        `tokens`, `early_tokens` (B, T, D) and `nodes`, `early_nodes` (B, M, D) are unit descriptors of patches, with
        and before attention; `fine_pixels` (B, D, h, w) and `fine_points` (B, N, D) those of pixels and points.
        `log_depth` (B, 1, h, w) is the log of the depth in m that is predicted from the image, and `image_normals`
        (B, 3, h, w) are the predicted normals along camera axes.
        `untuned` (B, Q, 3) are the points of the matches as they were given. `node` (B, N) is the patch of each point,
        `patch_points` (B, M, P) and `patch_inside` (B, M, P) are the points of each patch.
        """
        return self._outputs(encoded, inputs, in_turn)

    def encode_shared(self, shared: Tensors) -> PatchedImage:
        """Maps of the `image` (B, 5, H, W) of a `camera` (B, 4)."""
        with stage("image"):
            image, n = shared["image"], len(self.settings.image_stages)
            encoded = [*self.encode(image)]
            maps, whole = self.decode(*encoded[-n:]), encoded[-1].mean((2, 3))
            size, camera = (image.shape[2], image.shape[3]), shared["camera"]
            at = rays(pixel_centres(maps[-1], size).expand(len(camera), -1, -1), camera)
            seen = torch.cat([at.mT.unflatten(2, maps[-1].shape[2:]), self.depth(maps[-1]).float()], 1)
            normals = self.normal(maps[-1]).float()
            place = self.fine_place(_places(seen)) + self.fine_normal(_places(normals))
            place = place.mT.unflatten(2, maps[-1].shape[2:])
            fine = F.normalize((self.pixel_descriptor(maps[-1]) + place).float(), dim=1)
            return PatchedImage(encoded[:-n], maps[1], fine, whole, seen, normals, camera, size)

    def _outputs(self, encoded: Lazy[PatchedImage], inputs: Tensors, both: Both) -> Tensors:
        image, (pyramid, levels) = both(encoded, lambda: self.encode_voxels(inputs))
        cloud = self._decode_voxels(inputs, pyramid, levels, image.whole)
        with stage("heads"):
            tokens = self._coarse(image, cloud, inputs)
            return {
                **tokens, "fine_pixels": image.fine, "fine_points": cloud.fine, "log_depth": image.seen[:, 2:],
                "image_normals": image.normals,
                **self._matches(image, cloud, tokens, inputs["points"]),
            }  # fmt: skip

    def _decode_voxels(self, inputs: Tensors, pyramid: Pyramid, levels: list[Tensor], whole: Tensor) -> SeenCloud:
        """Features of points: those of their cell, and their own."""
        shape, own = inputs["points"].shape[:2], inputs["features"]
        with stage("sparse"):
            coarse, fine = self.voxel.decode_levels(pyramid, levels, whole)[-2:]
            of_fine, of_coarse = (cell.view(shape) for cell in pyramid.cells()[:2])
        nodes = self._nodes(inputs["points"])
        place = self.fine_place(_seen_at(inputs)) + self.fine_normal(_normals_at(inputs))
        points = self.point_descriptor(torch.cat([fine[of_fine], own], 2)) + place
        features = torch.cat([coarse[of_coarse[:, :nodes]], own[:, :nodes]], 2)
        return SeenCloud(features, F.normalize(points.float(), dim=2))

    def _coarse(self, image: PatchedImage, cloud: SeenCloud, inputs: Tensors) -> Tensors:
        """Unit descriptors of all patches of the image, and of the cloud.

        As the fine ones they begin with where they are seen, how deep, and on which surface, by one map for both sides:
        in a new network those are similar that are near each other as the guess sees them.
        """
        nodes = cloud.nodes.shape[1]
        h, w = image.coarse.shape[2:]
        seen, normals = (_averaged(one, h, w) for one in (image.seen, image.normals))
        nodes_at = inputs["points"][:, :nodes] / METRES
        found = self.tokens(image.coarse, cloud.nodes, _places(seen[0]), fourier(nodes_at))
        of_patches, normals_of_patches = (torch.cat([_places(level) for level in one], 1) for one in (seen, normals))
        of_image = self.coarse_place(of_patches) + self.coarse_normal(normals_of_patches)
        of_nodes = self.coarse_place(_seen_at(inputs)) + self.coarse_normal(_normals_at(inputs))
        places = [of_image, of_nodes[:, :nodes]] * 2
        names = ("tokens", "nodes", "early_tokens", "early_nodes")
        return {
            name: F.normalize((x + place).float(), dim=2) for name, x, place in zip(names, found, places, strict=True)
        }

    def _matches(self, image: PatchedImage, cloud: SeenCloud, tokens: Tensors, points: Tensor) -> Tensors:
        """The matches, with tuned points."""
        s, fine = self.settings, image.fine
        of_image = ImagePatches.of(fine)
        of_cloud = PointPatches.of(points, self._nodes(points), s.node_points)
        pairs = coarse_pairs(tokens["tokens"], tokens["nodes"], of_cloud, s.limits)
        pixels = fine.flatten(2).mT
        found = fine_matches(pixels, cloud.fine, pairs, of_image, of_cloud, s.limits)
        of_pixel, of_point = rows_of(pixels, found.pixel), rows_of(cloud.fine, found.point)
        given = rows_of(points, found.point)
        offset = s.tuning_m * self.tuning(torch.cat([of_pixel, of_point], 2)).float().tanh()
        similarity = (of_pixel * of_point).sum(2)
        return {
            "pixels": peaks_near(pixels, of_point, found.pixel, pixel_centres(fine, image.size), fine.shape[3]),
            "points": given + offset,
            "weights": torch.where(found.valid, similarity.clamp(0.0, 1.0), 0.0),
            "untuned": given,
            "node": of_cloud.node,
            "patch_points": of_cloud.points,
            "patch_inside": of_cloud.inside,
        }

    def _nodes(self, points: Tensor) -> int:
        """Number of nodes among the points: fewer where patches would have too few points."""
        return min(self.settings.nodes, points.shape[1] // POINTS_OF_NODE)

    def example(self) -> PassInputs:
        """Normal noise, the points of about the extent of a street."""
        made = example_with_camera()
        normals = F.normalize(-made.inputs["points"], dim=2)
        return PassInputs(made.shared, {**made.inputs, "normals": normals})

    def with_parts(self, parts: Mapping[str, Part]) -> Diff2I2PNetwork:
        """The same network with all of `part_names` replaced."""
        return with_modules(self, {name: Called(parts[name]) for name in self.part_names})


def _places(seen: Tensor) -> Tensor:
    """(B, h w, P) Fourier positions of pixels that are `seen` (B, 3, h, w). The depth has no gradient from here."""
    return fourier(seen.detach().flatten(2).mT)


def _averaged(image: Tensor, h: int, w: int) -> list[Tensor]:
    """Means of an image (B, C, H, W) over the patches of each level, the first of them (B, C, h, w)."""
    levels = [F.adaptive_avg_pool2d(image, (h, w))]
    for _ in range(LEVELS - 1):
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True))
    return levels


def _normals_at(inputs: Tensors) -> Tensor:
    """(B, N, P) Fourier embedding of the normals of points, along the axes of the guess's camera."""
    ahead, left, up = inputs["normals"].unbind(2)
    return fourier(torch.stack([-left, -up, ahead], 2))


def _seen_at(inputs: Tensors) -> Tensor:
    """(B, N, P) Fourier positions of points as the guess sees them: viewing direction and log of the depth."""
    ahead = inputs["points"][..., :1].clamp(min=MIN_AHEAD).log()
    return fourier(torch.cat([inputs["features"][..., SEEN], ahead], 2))

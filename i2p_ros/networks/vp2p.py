# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VP2P-Match: voxel, point and pixel branches in one descriptor space (Zhou et al., NeurIPS 2023), mended.

What differs from the published network and why: voxels of 0.3 m and more (5 cm voxels have hardly any neighbours), each
branch's global vector enters the other's bottleneck as well as the score heads, and their coarsest tokens ask each
other; pixels know their viewing direction, points their height above the ground and their place within their voxel.

The same weights take a first pose where there is one: then the cloud is cropped to what may be in view, which leaves
more of it, is given in axes along the camera's, and each point knows in which direction it would be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import MatchingSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.stages import stage
from i2p_ros.core.types import Correspondences, DescriptorSimilarity, Image, Pair, PointCloud, Prediction
from i2p_ros.networks.blocks.attention import Exchange
from i2p_ros.networks.blocks.image import ImageUNet
from i2p_ros.networks.blocks.point import PointNet
from i2p_ros.networks.blocks.sparse import Pyramid, SparseUNet
from i2p_ros.networks.both import Both, in_turn
from i2p_ros.networks.likeness import Likeness, resized
from i2p_ros.networks.matching import Grid, coarse, mutual, peaks, product

POINT_FEATURES = 8  # x, y and height over the ground (scaled), intensity, one; and those of a guess
GUESS_FEATURES = 3  # the last of them: where a first pose sees the point, and if there is any
IMAGE_CHANNELS = 5  # red, green, blue, and the viewing direction x/z, y/z
MAX_RANGE = 120.0  # m from the cloud's median; farther points have no voxel
MIN_POINTS = 64
LEAST_CONTRAST = 1.0  # grey levels, deviation of all pixels: a lens cap shows its noise
VIEW_MARGIN = np.radians(20.0)  # on either side of the image: the camera is not where the cloud's median is
SECTORS = 36  # about the up axis, of which a view has many
ASIDE = np.radians(20.0)  # beside the image of a first pose, which may be off by 10 deg and a metre: also in view
NEAREST, WIDEST = 0.5, 3.0  # m; and tangent: limits of the direction in which a first pose sees a point
LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # camera axes to forward, left, up
MOST_POINTS = 1 << 17  # of a cloud that are looked at: more than any lidar measures in a tenth of a second
DRAWN = 12  # points looked at for each that is kept
EARLY = (2, DRAWN)  # points looked at before all are, for each that is kept
ENOUGH = 4096  # points, drawn at random, whose median is that of all
_IMAGE_SIGNS = np.array([1, 1, 1, -1, 1], np.float32)  # what a mirror does to the channels of the image,
_POINT_SIGNS = np.array([1, -1, 1], np.float32)  # to points,
_FEATURE_SIGNS = np.array([1, -1, 1, 1, 1, -1, 1, 1], np.float32)  # and to their features


class VP2PSettings(BaseModel):
    """Sizes of the network; the manifest keeps them beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_width: int = 256
    max_points: int = 3072
    thin_m: float = 0.25
    voxel_m: float = 0.6
    descriptor: int = 64
    stem: int = 32
    image_stages: list[int] = [48, 64, 96, 96]
    image_blocks: list[int] = [2, 2, 2, 2]
    image_first_stride: int = 1
    image_decoder: list[int] = [96, 64, 64]
    voxel_encoder: list[int] = [24, 32, 48, 64, 96]
    voxel_decoder: list[int] = [64, 48, 48, 48]
    centres: list[int] = [256, 64]
    point_channels: list[int] = [48, 96]
    neighbours: int = 12
    likeness_width: int = 512
    likeness: list[int] = [16, 32, 48, 64]


SIZES: dict[str, VP2PSettings] = {
    "small": VP2PSettings(),
    "base": VP2PSettings(
        image_width=512,
        max_points=20480,
        thin_m=0.1,
        voxel_m=0.3,
        stem=64,
        image_stages=[64, 128, 256, 512],
        image_blocks=[3, 4, 6, 3],
        image_first_stride=2,
        image_decoder=[256, 128, 64],
        voxel_encoder=[32, 64, 128, 256, 256],
        voxel_decoder=[128, 128, 128, 128],
        centres=[1024, 256],
        point_channels=[128, 256],
        neighbours=32,
    ),
}


def network_camera(camera: Camera, width: int) -> Camera:
    """The camera of the image as the network takes it: undistorted, of this width, height a multiple of 16."""
    height = 16 * max(1, round(width * camera.height / camera.width / 16))
    return camera.undistorted.resized(width, min(height, 2 * width))


def network_image(pair: Pair, width: int) -> NDArray[np.float32]:
    """(5, h, w): colours with the image's own mean 0 and deviation 1, and the viewing direction of each pixel.

    Raises InputError for an image without contrast.
    """
    camera = network_camera(pair.camera, width)
    small = resized(pair, camera).astype(np.float32)
    if small.std() < LEAST_CONTRAST:
        raise InputError("the image shows nothing: all of it is about equally bright", "image.contrast")
    colours = (small - small.mean()) / (small.std() + 1.0)
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    directions = np.stack(np.meshgrid(x, y))
    return np.concatenate([colours.transpose(2, 0, 1), directions.astype(np.float32)])


def shuffled(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """Its finite points in random order, at most MOST_POINTS: what is done with them takes no more time and
    memory however many there are. That no place is left out is for `thinned` to see to."""
    cloud = cloud.finite()
    if len(cloud) > MOST_POINTS:
        return cloud.selected(rng.integers(0, len(cloud), MOST_POINTS))
    return cloud.selected(rng.permutation(len(cloud)))


def thinned(cloud: PointCloud, cell: float, most: int) -> PointCloud:
    """At most `most` points of a cloud in random order, one a cell, in random order again; far ones are left out."""
    if len(cloud) < MIN_POINTS:
        raise InputError(f"the cloud has {len(cloud)} finite points; at least {MIN_POINTS} are needed", "cloud.points")
    kept = _one_a_cell(cloud.xyz, cell, most)
    if len(kept) < MIN_POINTS:
        raise InputError(
            f"the cloud fills {len(kept)} cells of {cell} m; at least {MIN_POINTS} are needed", "cloud.too_few_unique"
        )
    return cloud.selected(kept)


def _one_a_cell(xyz: NDArray[np.float32], cell: float, most: int) -> NDArray[np.int64]:
    """(M,) rows of xyz (N, 3), ascending, that are the first in their cells, at most `most`."""
    from_centre = xyz[: 2 * DRAWN * most] - np.median(xyz[:ENOUGH], axis=0)
    near = np.flatnonzero((np.abs(from_centre) < MAX_RANGE).all(axis=1))[: DRAWN * most]
    cells = np.floor(from_centre[near] / cell).astype(np.int64)
    _, first = np.unique((cells[:, 0] << 40) + (cells[:, 1] << 20) + cells[:, 2], return_index=True)
    return near[np.sort(first)[:most]]


def frame_of(guess: Pose | None) -> Pose:
    """T_given_lidar: the frame in which the network is given points. Without a guess of T_camera_lidar the cloud's own,
    otherwise at that camera, with axes forward, left, up."""
    return Pose(LEVEL, np.zeros(3)) @ guess if guess else Pose.identity()


def seen_from(cloud: PointCloud, guess: Pose, camera: Camera) -> PointCloud:
    """The points that may be in view of a camera near guess (T_camera_lidar), in its frame."""
    T = frame_of(guess)
    corners = [[0.0, 0.0], [camera.width - 1.0, camera.height - 1.0]]
    (left, top), (right, bottom) = np.arctan(camera.unproject(corners))
    x, y, z = (cloud.xyz @ T.rotation.T.astype(np.float32) + T.translation.astype(np.float32)).T  # to a millimetre
    wide = _between_rays(x, -y, left - ASIDE, right + ASIDE)
    high = _between_rays(np.hypot(x, y), -z, top - ASIDE, bottom + ASIDE)
    return cloud.selected(np.flatnonzero(wide & high)).transformed(T)


def _between_rays(x: NDArray[np.float32], y: NDArray[np.float32], low: float, high: float) -> NDArray[np.bool_]:
    """Whether arctan2(y, x) lies between two angles, quicker."""
    above, below = np.cos(low) * y > np.sin(low) * x, np.cos(high) * y < np.sin(high) * x
    return np.asarray(above & below if high - low < np.pi else above | below)


def point_features(cloud: PointCloud, guessed: bool = False) -> NDArray[np.float32]:
    """(N, 8) what the network knows of each point but its neighbours; guessed: the cloud is one of `seen_from`."""
    xyz = cloud.xyz
    centre = np.zeros(2) if guessed else np.median(xyz[:, :2], axis=0)
    ground = np.percentile(xyz[:, 2], 5)  # robust to a few points below the road
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0, 1)
    guess = np.zeros((len(cloud), GUESS_FEATURES))
    if guessed:
        ahead = np.maximum(xyz[:, :1], NEAREST)
        guess = np.concatenate([np.clip(-xyz[:, 1:] / ahead, -WIDEST, WIDEST), np.ones((len(cloud), 1))], axis=1)
    place = [(xyz[:, :2] - centre) / 20.0, (xyz[:, 2:] - ground) / 3.0]
    return np.concatenate([*place, intensity[:, None], np.ones((len(cloud), 1)), guess], axis=1).astype(np.float32)


def mirrored(inputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The inputs as a mirror shows them: left and right are swapped, rows stay."""
    image = np.ascontiguousarray(inputs["image"][:, :, ::-1]) * _IMAGE_SIGNS[:, None, None]
    return {
        "image": image, "points": inputs["points"] * _POINT_SIGNS, "features": inputs["features"] * _FEATURE_SIGNS,
    }  # fmt: skip


def both_ways(seen: dict[str, Tensor], in_mirror: dict[str, Tensor]) -> dict[str, Tensor]:
    """Descriptors whose similarity is the mean of what the network says of inputs and of the mirrored inputs."""
    pixels = torch.cat([seen["pixels"], in_mirror["pixels"].flip(-1)], 1)
    points = torch.cat([seen["points"], in_mirror["points"]], 2)
    return {"pixels": pixels * 0.5**0.5, "points": points * 0.5**0.5}


def directions(xyz: NDArray[np.float32], camera: Camera, views: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The sector about the up axis through their median that each of xyz (N, 3) is in, and which sectors (V, S) belong
    to each of the directions that the camera may look in: those in the image, and a margin.

    Where one direction is matched among all the others, its best matches drown in theirs.
    """
    x, y = (xyz[:, :2] - np.median(xyz[:, :2], axis=0)).T
    sector = np.floor((np.arctan2(y, x) / (2.0 * np.pi) + 0.5) * SECTORS).astype(np.int64).clip(0, SECTORS - 1)
    (left, _), (right, _) = np.arctan(camera.unproject([[0.0, camera.cy], [camera.width - 1.0, camera.cy]]))
    centres, middles = np.arange(views) / views, (np.arange(SECTORS) + 0.5) / SECTORS
    off = np.abs((middles - centres[:, None] + 0.5) % 1.0 - 0.5) * 2.0 * np.pi
    return sector, off <= max((right - left) / 2.0 + VIEW_MARGIN, np.pi / views + np.pi / SECTORS)


@dataclass(frozen=True)
class Seen:
    """Maps of every stage of the image, the finest first, their maximum (B, C), and viewing directions (B, 2, h, w)."""

    maps: list[Tensor]
    whole: Tensor
    directions: Tensor


@dataclass(frozen=True)
class Explored:
    """Points (B, N, 3) and features (B, N, 8) as given, what only the last layer sees (B, N, 6), features of both
    branches, and their maximum (B, C)."""

    points: Tensor
    features: Tensor
    fine: Tensor
    pyramid: Pyramid
    voxels: list[Tensor]
    x1: Tensor
    x2: Tensor
    whole: Tensor


class VP2PNetwork(nn.Module):
    """Descriptors and intersection scores of pixels and points."""

    def __init__(self, settings: VP2PSettings) -> None:
        super().__init__()
        s = settings
        self.voxel_m = s.voxel_m
        image_out, point_out = s.image_decoder[-1], s.voxel_decoder[-1]
        image_global, voxel_global, point_global = s.image_stages[-1], s.voxel_encoder[-1], s.point_channels[-1]
        cloud_global = voxel_global + point_global
        self.image = ImageUNet(
            IMAGE_CHANNELS, s.stem, s.image_stages, s.image_blocks, s.image_first_stride, s.image_decoder, cloud_global
        )
        self.voxel = SparseUNet(POINT_FEATURES, s.voxel_encoder, s.voxel_decoder, image_global)
        self.point = PointNet(POINT_FEATURES, s.centres, s.point_channels, s.neighbours, point_out)
        d = s.descriptor
        self.pixel_descriptor = nn.Sequential(nn.Conv2d(image_out, d, 1), nn.ReLU(), nn.Conv2d(d, d, 1))
        self.exchange = Exchange(image_global, point_global, 2, 3)
        self.point_descriptor = nn.Sequential(nn.Linear(point_out + 3 + GUESS_FEATURES, d), nn.ReLU(), nn.Linear(d, d))
        self.pixel_score = nn.Sequential(nn.Conv2d(image_out + cloud_global, d, 1), nn.ReLU(), nn.Conv2d(d, 1, 1))
        self.point_score = nn.Sequential(nn.Linear(point_out + image_global, d), nn.ReLU(), nn.Linear(d, 1))
        self.likeness = Likeness(s.likeness)

    def forward(self, image: Tensor, points: Tensor, features: Tensor) -> dict[str, Tensor]:
        """From image (B, 5, H, W), points (B, N, 3) in metres and features (B, N, 8).

        Gives unit descriptors `pixels` (B, D, h, w) and `points` (B, N, D), and score logits `pixel_scores` (B, h, w)
        and `point_scores` (B, N).
        """
        return self.answer(lambda: self.see(image), points, features)

    def see(self, image: Tensor) -> Seen:
        """What the image alone says: it does not change when other points are looked at."""
        with stage("image"):
            maps = self.image.encode(image)
            directions = F.adaptive_avg_pool2d(image[:, -2:], (maps[-1].shape[2], maps[-1].shape[3]))
            return Seen(maps, maps[-1].amax((2, 3)), directions)

    def answer(
        self, see: Seen | Callable[[], Seen], points: Tensor, features: Tensor, both: Both = in_turn,
        scores: bool = True,
    ) -> dict[str, Tensor]:  # fmt: skip
        """As `forward`, of an image that is to be seen or was before; without scores where only matches are wanted.

        `both` runs what does not wait for one another.
        """

        def sampled() -> tuple[Tensor, Tensor]:
            return self._sampled(points, features)

        def gridded() -> tuple[Tensor, Pyramid, list[Tensor], Tensor]:
            return self._gridded(points, features)

        if isinstance(see, Seen):
            seen, ((x1, x2), (fine, pyramid, voxels, whole)) = see, both(sampled, gridded)
        else:  # takes as long as the other two
            seen, ((x1, x2), (fine, pyramid, voxels, whole)) = both(see, lambda: (sampled(), gridded()))
        whole = torch.cat([whole, x2.amax(1)], 1)
        return self._related(seen, Explored(points, features, fine, pyramid, voxels, x1, x2, whole), both, scores)

    def _sampled(self, points: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the centres of both levels of the point branch."""
        with stage("point"):
            return self.point.encode(points, features)

    def _gridded(self, points: Tensor, features: Tensor) -> tuple[Tensor, Pyramid, list[Tensor], Tensor]:
        """What only the last layer sees of the points (B, N, 6), the cells that they are in, their features, and the
        maximum of the coarsest."""
        b, n, _ = points.shape
        with stage("voxelize"):
            place = (points - points.amin(1, keepdim=True)) / self.voxel_m
            cells = torch.floor(place).long()
            batch = torch.arange(b, device=points.device)[:, None, None].expand(b, n, 1)
            pyramid = Pyramid.of_points(torch.cat([batch, cells], 2).flatten(0, 1), len(self.voxel.down))
        with stage("sparse"):
            voxels = self.voxel.encode_points(pyramid, features.flatten(0, 1))
            whole = _max_by_batch(*self.voxel.coarsest(pyramid, voxels), b)
        fine = torch.cat([place - cells - 0.5, features[..., -GUESS_FEATURES:]], 2)
        return fine, pyramid, voxels, whole

    def _related(self, seen: Seen, found: Explored, both: Both, scores: bool) -> dict[str, Tensor]:
        """What each says in view of the other."""
        with stage("heads"):
            coarse, x2 = self._exchanged(seen, found)

        def pixels() -> dict[str, Tensor]:
            with stage("image"):
                decoded = self.image.decode([*seen.maps[:-1], coarse], found.whole)
            with stage("heads"):
                return self._pixel_heads(decoded, found.whole if scores else None)

        def points() -> dict[str, Tensor]:
            decoded = self._points(seen, found, x2)
            with stage("heads"):
                return self._point_heads(decoded, found.fine, seen.whole if scores else None)

        one, other = both(pixels, points)
        return one | other

    def _points(self, seen: Seen, found: Explored, x2: Tensor) -> Tensor:
        """(B, N, C) of the points, from both branches."""
        with stage("point"):
            from_points = self.point.decode(found.points, found.features, found.x1, x2)
        with stage("sparse"):
            from_voxels = self.voxel.decode_points(found.pyramid, found.voxels, seen.whole)
        return from_voxels.view_as(from_points) + from_points

    def _exchanged(self, seen: Seen, found: Explored) -> tuple[Tensor, Tensor]:
        """The coarsest pixels (B, C, h, w) and points (B, M, C') after they have asked each other."""
        pixels, points = seen.maps[-1], found.x2
        places = found.features[:, : points.shape[1], :3]
        tokens, points = self.exchange(pixels.flatten(2).mT, points, seen.directions.flatten(2).mT, places)
        return tokens.mT.unflatten(2, pixels.shape[2:]), points

    @torch.autocast("cuda", enabled=False)  # descriptors are compared to a fraction of what half precision tells apart
    @torch.autocast("cpu", enabled=False)
    def _pixel_heads(self, pixels: Tensor, cloud: Tensor | None) -> dict[str, Tensor]:
        out = {"pixels": F.normalize(self.pixel_descriptor(pixels.float()), dim=1)}
        if cloud is not None:
            beside = cloud.float()[:, :, None, None].expand(-1, -1, *pixels.shape[2:])
            out["pixel_scores"] = self.pixel_score(torch.cat([pixels.float(), beside], 1))[:, 0]
        return out

    @torch.autocast("cuda", enabled=False)
    @torch.autocast("cpu", enabled=False)
    def _point_heads(self, points: Tensor, fine: Tensor, seen: Tensor | None) -> dict[str, Tensor]:
        out = {"points": F.normalize(self.point_descriptor(torch.cat([points.float(), fine], 2)), dim=2)}
        if seen is not None:
            beside = seen.float()[:, None].expand(-1, points.shape[1], -1)
            out["point_scores"] = self.point_score(torch.cat([points.float(), beside], 2))[..., 0]
        return out


def _max_by_batch(x: Tensor, batch: Tensor, n: int) -> Tensor:
    """(n, C) maximum of the rows of each batch entry."""
    start = x.new_full((n, x.shape[1]), -1e4)
    return start.scatter_reduce(0, batch[:, None].expand_as(x), x, "amax")


@dataclass(frozen=True)
class Scene:
    """A pair as the network takes it: the image (5, H, W), and again, wider, for the likeness (H', W', 3); a cloud of
    bounded size in random order, and the camera."""

    pair: Pair
    image: NDArray[np.float32]
    wide: Image
    cloud: PointCloud
    camera: Camera


class VP2P:
    """The family: pair to tensors, network, tensors to matches."""

    def __init__(self, settings: dict[str, Any] | VP2PSettings, matching: MatchingSettings) -> None:
        self.settings = VP2PSettings.model_validate(settings)
        self.matching = matching

    def network(self) -> VP2PNetwork:
        """A network of these sizes with random weights."""
        return VP2PNetwork(self.settings)

    def prepare(
        self, pair: Pair, guess: Pose | None = None, rng: np.random.Generator | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """`image` (5, H, W), `points` (N, 3) and `features` (N, 8), float32; without rng, the same for the same pair.

        With a guess of T_camera_lidar the points are those near its view, in its axes: forward, left, up.
        Raises InputError when there are too few points.
        """
        return self.look(self.scene(pair, rng), guess)

    def scene(self, pair: Pair, rng: np.random.Generator | None = None) -> Scene:
        """What all looks at a pair share; without rng, the same for the same pair."""
        cloud = shuffled(pair.cloud, rng or np.random.default_rng(0))
        image, camera = pair.camera.undistort(pair.image)
        flat = replace(pair, image=image, camera=camera)
        wide = resized(flat, network_camera(camera, self.settings.likeness_width))
        return Scene(pair, network_image(flat, self.settings.image_width), wide, cloud, pair.camera)

    def look(self, scene: Scene, guess: Pose | None = None) -> dict[str, NDArray[np.float32]]:
        """As `prepare`."""
        cloud = self._thinned(scene, guess)
        return {"image": scene.image, "points": cloud.xyz, "features": point_features(cloud, guess is not None)}

    def _thinned(self, scene: Scene, guess: Pose | None) -> PointCloud:
        """What is left of a scene's cloud: often the first of its points fill as many cells as are wanted."""
        cell, most = self.settings.thin_m, self.settings.max_points

        def seen(cloud: PointCloud) -> PointCloud:
            return seen_from(cloud, guess, scene.camera) if guess else cloud

        for share in EARLY:
            early = seen(scene.cloud.selected(slice(share * most)))
            if len(early) >= ENOUGH and len(kept := _one_a_cell(early.xyz, cell, most)) == most:
                return early.selected(kept)
        return thinned(seen(scene.cloud), cell, most)

    def decode(
        self, inputs: dict[str, NDArray[np.float32]], outputs: dict[str, Tensor], pair: Pair, guess: Pose | None = None,
        both: Both = in_turn,
    ) -> Prediction:  # fmt: skip
        """Matches in original pixels and the pair's lidar frame, one set for each direction that the camera may look
        in, and how alike points and pixels are, from the network's answer to one pair, prepared with the same guess."""
        m, pixels = self.matching, outputs["pixels"][0]
        xyz = inputs["points"][: m.max_points]
        sector, views = directions(xyz, pair.camera, 1 if guess else m.views)
        order = np.argsort(sector, kind="stable")
        sector, xyz = sector[order], xyz[order]
        points = outputs["points"][0][torch.from_numpy(order).to(pixels.device)]
        grid = coarse(pixels, m.max_pixels)
        similarity = product(points, grid.cells.flatten(1), both)
        found = mutual(similarity, sector, views, m.max_matches)
        if guess:
            xyz = frame_of(guess).inverse().apply(xyz).astype(np.float32)
        (h, w), (height, width) = pixels.shape[1:], grid.cells.shape[1:]
        covered = pair.camera.undistorted.resized(w, h).cropped(0, 0, width * grid.stride, height * grid.stride)
        return Prediction(
            _candidates(found, grid, pixels, points, xyz, pair.camera),
            DescriptorSimilarity(xyz, similarity, covered.resized(width, height)),
        )


def _candidates(
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]], grid: Grid, pixels: Tensor, points: Tensor,
    xyz: NDArray[np.float32], camera: Camera,
) -> tuple[Correspondences, ...]:  # fmt: skip
    """Points and cells as matches in original pixels; a point has one cell in all views, so its peak is sought once."""
    row, first, back = np.unique(np.concatenate([r for r, _ in found]), return_index=True, return_inverse=True)
    cell = np.concatenate([c for _, c in found])[first]
    all_ = _correspondences(row, cell, grid, pixels, points, xyz, camera)
    ends = np.cumsum([len(r) for r, _ in found])[:-1]
    return tuple(all_.selected(part) for part in np.split(back, ends))


def _correspondences(
    row: NDArray[np.int64], cell: NDArray[np.int64], grid: Grid, pixels: Tensor, points: Tensor,
    xyz: NDArray[np.float32], camera: Camera,
) -> Correspondences:  # fmt: skip
    """Points and cells as matches in original pixels."""
    chosen, cells = (torch.from_numpy(a).to(points.device) for a in (row, cell))
    on_map, alike = peaks(pixels, points[chosen], grid, cells)
    h, w = pixels.shape[1:]
    undistorted = (on_map.cpu().numpy().astype(np.float64) + 0.5) * [camera.width / w, camera.height / h] - 0.5
    weights = alike.clamp(1e-3, 1).double().cpu().numpy()
    return Correspondences(camera.distorted(undistorted), xyz[row].astype(np.float64), weights)

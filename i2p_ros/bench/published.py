# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VP2P-Match as published (Zhou et al., NeurIPS 2023), at its published widths, for the comparison in `i2p bench`.

The network is built from the paper's description with the blocks of this package. Its weights are random: it shows the
time that the published network takes, not its accuracy. Where the description leaves a choice, the quicker one is
taken: points take the features of their voxels without interpolation, normals are zero instead of computed, and unused
work of the published data loader is left out.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from i2p_ros.core.camera import Camera
from i2p_ros.core.stages import stage
from i2p_ros.core.types import Pair
from i2p_ros.networks.blocks.image import Residual, convolution
from i2p_ros.networks.blocks.point import FeaturePropagation, VectorAttention, mlp, take
from i2p_ros.networks.blocks.sparse import Pyramid, SparseConv, SparseResidual, mean_by

WIDTH, HEIGHT = 512, 160  # px, of the crop of the half-size image
POINTS, CHANNELS = 40960, 7  # x, y, z, intensity, normal
DOWNSAMPLING_M, VOXEL_M = 0.1, 0.05
CANDIDATES = 2800, 8500  # pixels and points at most, after their scores
CENTRES, NEIGHBOURS, RADII = (1024, 256), (64, 32), (20.0, 40.0)
WIDTHS_DOWN, WIDTHS_UP = [16, 16, 32, 64, 128], [128, 64, 48, 48]  # SPVCNN's at half width
FIRST_SEARCHED = 2048  # points among which a ball of 20 m mostly finds its neighbours


def residuals(channels_in: int, channels_out: int, count: int, stride: int = 1) -> nn.Sequential:
    """Residual blocks, the first with the stride."""
    later = (Residual(channels_out, channels_out) for _ in range(count - 1))
    return nn.Sequential(Residual(channels_in, channels_out, stride), *later)


class PixelBranch(nn.Module):
    """ResNet-34 with a decoder up to a quarter of the image size: 64 channels a pixel, and a vector of 512."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 64, 7, 2)
        plan = zip((64, 64, 128, 256), (64, 128, 256, 512), (3, 4, 6, 3), (1, 2, 2, 2), strict=True)
        self.stages = nn.ModuleList(residuals(*row) for row in plan)
        self.up = nn.ModuleList(residuals(a, b, 2) for a, b in ((768, 256), (384, 128), (256, 64)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 64, H / 4, W / 4) and (B, 512)."""
        x = F.max_pool2d(F.relu(self.stem(image)), 3, 2, 1)
        maps = [x]
        for part in self.stages:
            maps.append(part(maps[-1]))
        x = maps[4]
        for part, skips in zip(self.up, ([maps[3]], [maps[2]], [maps[1], maps[0]]), strict=True):
            x = F.interpolate(x, size=skips[0].shape[2:], mode="bilinear")
            x = part(torch.cat([x, *skips], 1))
        return x, maps[4].mean((2, 3))


def farthest(points: Tensor, n: int) -> Tensor:
    """Rows (n,) of points (N, 3), each the farthest from those before it: farthest point sampling."""
    chosen, distance = [0], points.new_full((len(points),), torch.inf)
    axes = points.T.contiguous()  # five times quicker than row by row
    while len(chosen) < n:
        torch.minimum(distance, (axes - axes[:, chosen[-1], None]).square_().sum(0), out=distance)
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen, device=points.device)


def ball(centres: Tensor, points: Tensor, radius: float, k: int) -> Tensor:
    """Rows (C, k) of the first k of points (N, 3) within the radius of each centre (C, 3).

    Where there are fewer than k, the first row is repeated. Rows behind FIRST_SEARCHED are searched only for centres
    that need them.
    """
    near = torch.cdist(centres, points[:FIRST_SEARCHED]) <= radius
    found = _first(near, k)
    poor = (near.sum(1) < k).nonzero()[:, 0]
    if len(poor) and len(points) > FIRST_SEARCHED:
        found[poor] = _first(torch.cdist(centres[poor], points) <= radius, k)
    return found


def _first(near: Tensor, k: int) -> Tensor:
    """Columns (C, k) of the first k true values of each row (C, N)."""
    rank = near.cumsum(1, dtype=torch.int32)
    row, column = (near & (rank <= k)).nonzero().unbind(1)
    found = column.new_zeros(len(near), k)
    found[row, rank[row, column].long() - 1] = column
    slots = torch.arange(k, device=near.device)
    return torch.where(slots < rank[:, -1:], found, found[:, :1])


class PointBranch(nn.Module):
    """PointNet++ with vector attention: 128 channels a point, and a vector of 512."""

    def __init__(self) -> None:
        super().__init__()
        plan = ((CHANNELS + 3, 64, 64, 128), (128 + 3, 128, 128, 256), (256 + 3, 256, 512, 512))
        self.abstract = nn.ModuleList(mlp(*row) for row in plan)
        self.attend = nn.ModuleList(VectorAttention(64, 16, 1.0) for _ in range(4))
        self.into = nn.ModuleList(nn.Linear(c, 64) for c in (128, 256, 256, 128))
        self.out = nn.ModuleList(nn.Linear(64, c) for c in (128, 256, 256, 128))
        self.up = nn.ModuleList(
            FeaturePropagation(a, b, c) for a, b, c in ((512, 256, 256), (256, 128, 128), (128, CHANNELS, 128))
        )

    def forward(self, points: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(1, N, 128) and (1, 512) from (1, N, 3) and (1, N, 7)."""
        places, xs = [points], [features]
        for i in range(2):
            centres = places[-1][:, farthest(places[-1][0], CENTRES[i])]
            index = ball(centres[0], places[-1][0], RADII[i], NEIGHBOURS[i])[None]
            around = take(places[-1], index) - centres[:, :, None]
            x = torch.cat([around, take(xs[-1], index)], 3)
            x = self.abstract[i](x.flatten(0, 2)).view(*x.shape[:3], -1).amax(2)
            xs.append(self._attended(i, centres, x))
            places.append(centres)
        whole = self.abstract[2](torch.cat([places[2], xs[2]], 2)[0]).amax(0)[None]
        x = self.up[0](places[2], xs[2], places[2][:, :1], whole[:, None])
        x = self._attended(2, places[2], x)
        x = self._attended(3, places[1], self.up[1](places[1], xs[1], places[2], x))
        return self.up[2](points, features, places[1], x), whole

    def _attended(self, i: int, points: Tensor, x: Tensor) -> Tensor:
        return x + self.out[i](self.attend[i](points, self.into[i](x)))


class VoxelBranch(nn.Module):
    """SPVCNN: a sparse U-Net of two residual blocks a level, and a linear path for points; 128 channels a point."""

    def __init__(self) -> None:
        super().__init__()
        down, up = WIDTHS_DOWN, WIDTHS_UP
        self.stem = nn.ModuleList((SparseConv(CHANNELS, 16), SparseConv(16, 16)))
        self.stem_norm = nn.ModuleList(nn.BatchNorm1d(16) for _ in range(2))
        self.down = nn.ModuleList(SparseConv(a, a, 2) for a in down[:-1])
        self.down_norm = nn.ModuleList(nn.BatchNorm1d(a) for a in down[:-1])
        self.encode = nn.ModuleList(_two(a, b) for a, b in itertools.pairwise(down))
        above = [down[-1], *up[:-1]]
        self.up = nn.ModuleList(SparseConv(a, b, 2) for a, b in zip(above, up, strict=True))
        self.up_norm = nn.ModuleList(nn.BatchNorm1d(b) for b in up)
        self.decode = nn.ModuleList(_two(b + s, b) for b, s in zip(up, down[-2::-1], strict=True))
        self.beside = nn.ModuleList(mlp(a, b) for a, b in ((16, 128), (128, 64), (64, 48)))
        self.last = nn.Linear(48, 128)

    def forward(self, pyramid: Pyramid, features: Tensor) -> Tensor:
        """(N, 128) of features (N, 7)."""
        x = mean_by(pyramid.cell, features, len(pyramid.levels[0]))
        for conv, norm in zip(self.stem, self.stem_norm, strict=True):
            x = F.relu(norm(conv(x, pyramid.levels[0].neighbours)))
        cells = _cells_of_points(pyramid)
        xs, points = [x], x[cells[0]]
        for i, blocks in enumerate(self.encode):
            assert isinstance(blocks, nn.ModuleList)
            x = F.relu(self.down_norm[i](self.down[i](x, pyramid.maps[i])))
            for block in blocks:
                x = block(x, pyramid.levels[i + 1])
            xs.append(x)
        for i, blocks in enumerate(self.decode):
            assert isinstance(blocks, nn.ModuleList)
            level = len(pyramid.maps) - 1 - i
            if i in (0, 2):  # points take part at the coarsest level and half-way up
                points = x[cells[level + 1]] + self.beside[i // 2](points)
                x = mean_by(cells[level + 1], points, len(pyramid.levels[level + 1]))
            x = F.relu(self.up_norm[i](self.up[i](x, pyramid.maps[level].transposed)))
            x = torch.cat([x, xs[level]], 1)
            for block in blocks:
                x = block(x, pyramid.levels[level])
        out: Tensor = self.last(x[cells[0]] + self.beside[2](points))
        return out


def _two(channels_in: int, channels_out: int) -> nn.ModuleList:
    return nn.ModuleList((SparseResidual(channels_in, channels_out), SparseResidual(channels_out, channels_out)))


def _cells_of_points(pyramid: Pyramid) -> list[Tensor]:
    """Cells (N,) of the points at each level."""
    cells = [pyramid.cell]
    for kernel_map in pyramid.maps:
        parent = torch.empty_like(kernel_map.src)
        parent[kernel_map.src] = kernel_map.dst
        cells.append(parent[cells[-1]])
    return cells


class PublishedNetwork(nn.Module):
    """The network: descriptors and scores of pixels and points."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.voxel, self.point = PixelBranch(), VoxelBranch(), PointBranch()
        self.pixel_descriptor = nn.Sequential(_conv(64, 64), nn.ReLU(), _conv(64, 64), nn.ReLU(), _conv(64, 64))
        self.point_descriptor = nn.Sequential(mlp(128, 128, 128), nn.Linear(128, 64))
        self.pixel_score = nn.Sequential(_conv(576, 128), nn.ReLU(), _conv(128, 64), nn.ReLU(), _conv(64, 1))
        self.point_score = nn.Sequential(mlp(640, 128, 64), nn.Linear(64, 1))

    def forward(self, image: Tensor, points: Tensor, features: Tensor) -> dict[str, Tensor]:
        """`pixels` (64, h, w) and `points` (N, 64) of unit length, `pixel_scores` (h, w) and `point_scores` (N,), from
        image (1, 3, H, W), points (1, N, 3) and features (1, N, 7)."""
        with stage("image"):
            pixels, seen = self.image(image)
        with stage("voxelize"):
            cells = torch.round((points[0] - points[0].amin(0)) / VOXEL_M).long()
            pyramid = Pyramid.of_points(F.pad(cells, (1, 0)), len(self.voxel.down))
        with stage("sparse"):
            from_voxels = self.voxel(pyramid, features[0])
        with stage("point"):
            from_points, cloud = self.point(points, features)
        with stage("heads"):
            x = from_voxels + from_points[0]
            with_image = torch.cat([x, seen.expand(len(x), -1)], 1)
            with_cloud = torch.cat([pixels, cloud[:, :, None, None].expand(-1, -1, *pixels.shape[2:])], 1)
            return {
                "pixels": F.normalize(self.pixel_descriptor(pixels), dim=1)[0],
                "points": F.normalize(self.point_descriptor(x), dim=1),
                "pixel_scores": self.pixel_score(with_cloud)[0, 0].sigmoid(),
                "point_scores": self.point_score(with_image)[:, 0].sigmoid(),
            }


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 1)


class PublishedVP2P:
    """The published method up to its matches; the pose comes from EPnP."""

    def __init__(self, threads: int = 1, device: str = "cpu") -> None:
        torch.manual_seed(0)
        self._network, self._threads, self._device = PublishedNetwork().eval().to(device), threads, device

    def matches(self, pair: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64], Camera]:
        """Pixels (M, 2) on the map of a quarter of the crop, points (M, 3) in the lidar frame, and the map's camera.

        The scores are those of random weights: the highest are taken, as many as the published limits allow.
        """
        with stage("prepare"):
            inputs, camera = prepared(pair)
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                out = self._network(**{name: tensor.to(self._device) for name, tensor in inputs.items()})
                with stage("match"):
                    return *_matched(out, inputs["points"][0].to(self._device)), camera
        finally:
            torch.set_num_threads(before)


def prepared(pair: Pair) -> tuple[dict[str, Tensor], Camera]:
    """Inputs of the network by name, and the camera of a quarter of the crop of the half-size image."""
    camera = pair.camera.resized(pair.camera.width // 2, pair.camera.height // 2)
    small = F.interpolate(_batched(pair.image.transpose(2, 0, 1)), (camera.height, camera.width), mode="area")
    x, y = max(0, (camera.width - WIDTH) // 2), max(0, (camera.height - HEIGHT) // 2)
    crop = F.pad(small, (0, max(0, WIDTH - camera.width), 0, max(0, HEIGHT - camera.height)))
    xyz, intensity = pair.cloud.xyz, pair.cloud.intensity
    cells = np.floor(xyz / DOWNSAMPLING_M).astype(np.int64)
    _, rows = np.unique((cells[:, 0] << 40) + (cells[:, 1] << 20) + cells[:, 2], return_index=True)
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.resize(rng.permutation(rows), POINTS))
    features = np.zeros((POINTS, CHANNELS), np.float32)
    features[:, :3] = xyz[rows]
    if intensity is not None:
        features[:, 3] = intensity[rows]
    tensors = {
        "image": crop[:, :, y : y + HEIGHT, x : x + WIDTH] / 255.0,
        "points": _batched(xyz[rows]),
        "features": _batched(features),
    }
    return tensors, camera.cropped(x, y, WIDTH, HEIGHT).resized(WIDTH // 4, HEIGHT // 4)


def _batched(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))[None]


def _matched(out: dict[str, Tensor], points: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (M, 2), and for each the point (M, 3) with the most similar descriptor."""
    width = out["pixels"].shape[2]
    pixel = out["pixel_scores"].flatten().topk(CANDIDATES[0]).indices
    point = out["point_scores"].topk(CANDIDATES[1]).indices
    best = (out["pixels"].flatten(1)[:, pixel].T @ out["points"][point].T).argmax(1)
    uv = torch.stack([pixel % width, pixel // width], 1)
    return uv.double().cpu().numpy(), points[point[best]].double().cpu().numpy()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a pair to arrays: a normalized image, and a downsampled cloud with features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.kept import Kept
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.networks.base import Arrays
from i2p_ros.networks.signals import resized, signal_channels

Floats = NDArray[np.float32]

POINT_FEATURES = 8  # x, y and height over the ground (scaled), intensity, one; and those of a guess
GUESS_FEATURES = 3  # the last of them: the tangents at which the guess sees the point, and whether there is a guess
OF_POINTS = ("points", "features", "normals")  # inputs that have a row for each point, where they are given
IMAGE_CHANNELS = 5  # red, green, blue, and the viewing direction x/z, y/z
MAX_RANGE = 120.0  # m from the cloud's median; points farther away have no voxel
MIN_POINTS = 64
MIN_CONTRAST = 1.0  # grey levels, standard deviation of all pixels: the noise of an image with a lens cap on is below
CROP_MARGIN = np.radians(20.0)  # on each side of the image of a guess, which may be off by 10 deg and a metre
MIN_AHEAD, MAX_TANGENT = 0.5, 3.0  # m; limits of the tangents at which a guess sees a point
T_LEVEL_CAMERA = Pose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))  # forward, left, up
MAX_CLOUD = 1 << 17  # points of a cloud that are used at all: more than any lidar measures in a tenth of a second
CANDIDATES = 12  # points that are considered for each point that is kept
EARLY = (2, CANDIDATES)  # the same of the first attempts, before all points are considered
MEDIAN_POINTS = 4096  # points, in random order, whose median stands for that of the whole cloud


def image_arrays(pair: Pair, settings: BranchSettings) -> Arrays:
    """The `image` (5, h, w) of a pair, and the `channels` (5, H', W') that signals are predicted from, if any are.

    Raises InputError for an image without contrast.
    """
    image, camera = pair.camera.undistort(pair.image)
    undistorted = replace(pair, image=image, camera=camera)
    arrays = {"image": network_image(undistorted, settings.image_width)}
    if settings.signal_width:
        arrays["channels"] = signal_channels(resized(undistorted, network_camera(camera, settings.signal_width)))
    return arrays


def ordered(cloud: PointCloud, rng: np.random.Generator | None) -> PointCloud:
    """`shuffled`. Without rng the cloud has the same order each time, and pairs with the same cloud share it."""
    return shuffled(cloud, rng) if rng else _shuffled_alike(cloud)


def network_camera(camera: Camera, width: int) -> Camera:
    """The camera of the image as the network takes it: undistorted, of this width, its height a multiple of 16."""
    flat = camera.undistorted
    height = 16 * max(1, round(width * flat.height / flat.width / 16))
    return flat.resized(width, min(height, 2 * width))


def network_image(pair: Pair, width: int) -> Floats:
    """(5, h, w): colours, normalized to mean 0 and deviation 1 over the image, and the viewing direction of each pixel.

    Raises InputError for an image without contrast.
    """
    camera = network_camera(pair.camera, width)
    small = resized(pair, camera).astype(np.float32)
    if small.std() < MIN_CONTRAST:
        raise InputError("the image shows nothing: all of it is about equally bright", "image.contrast")
    colours = (small - small.mean()) / (small.std() + 1.0)
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    directions = np.stack(np.meshgrid(x, y))
    return np.concatenate([colours.transpose(2, 0, 1), directions.astype(np.float32)])


def shuffled(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """The finite points of a cloud in random order, at most MAX_CLOUD of them.

    Later steps take bounded time and memory, however large the cloud is. `downsampled` keeps the density even.
    """
    cloud = cloud.finite()
    if len(cloud) > MAX_CLOUD:
        return cloud.selected(rng.integers(0, len(cloud), MAX_CLOUD))
    return cloud.selected(rng.permutation(len(cloud)))


_shuffled_alike = Kept[PointCloud, PointCloud](lambda cloud: shuffled(cloud, np.random.default_rng(0)))


def downsampled_view(
    cloud: PointCloud, camera: Camera, guess: Pose | None, cell: float, most: int, T_own_lidar: Pose | None = None
) -> PointCloud:  # fmt: skip
    """`downsampled` for a cloud in random order, in its own frame if there is one; or for its points near the view of a
    guess, in that `input_frame`.

    Often the first of the points already fill as many voxels as are wanted.
    """

    def cropped(cloud: PointCloud) -> PointCloud:
        if guess:
            return near_view(cloud, guess, camera)
        return cloud.transformed(T_own_lidar) if T_own_lidar else cloud

    for share in EARLY:
        early = cropped(cloud.selected(slice(share * most)))
        if len(early) >= MEDIAN_POINTS and len(kept := _first_of_voxels(early.xyz, cell, most)) == most:
            return early.selected(kept)
    return downsampled(cropped(cloud), cell, most)


def downsampled(cloud: PointCloud, cell: float, most: int) -> PointCloud:
    """At most `most` points of a cloud in random order, one per voxel of `cell` m. The order stays random.

    Points beyond MAX_RANGE are left out. Raises InputError when fewer than MIN_POINTS are left.
    """
    refuse_few(cloud)
    kept = _first_of_voxels(cloud.xyz, cell, most)
    if len(kept) < MIN_POINTS:
        raise InputError(
            f"the cloud fills {len(kept)} cells of {cell} m; at least {MIN_POINTS} are needed", "cloud.too_few_unique"
        )
    return cloud.selected(kept)


def refuse_few(cloud: PointCloud) -> None:
    """Raise InputError for a cloud of fewer than MIN_POINTS points."""
    if len(cloud) < MIN_POINTS:
        raise InputError(f"the cloud has {len(cloud)} finite points; at least {MIN_POINTS} are needed", "cloud.points")


def _first_of_voxels(xyz: Floats, cell: float, most: int) -> NDArray[np.int64]:
    """(M,) rows of xyz (N, 3), ascending, that are the first in their voxels, at most `most`."""
    from_centre = xyz[: 2 * CANDIDATES * most] - np.median(xyz[:MEDIAN_POINTS], axis=0)
    near = np.flatnonzero((np.abs(from_centre) < MAX_RANGE).all(axis=1))[: CANDIDATES * most]
    cells = np.floor(from_centre[near] / cell).astype(np.int64)
    _, first = np.unique((cells[:, 0] << 40) + (cells[:, 1] << 20) + cells[:, 2], return_index=True)
    return near[np.sort(first)[:most]]


def input_frame(guess: Pose | None) -> Pose:
    """T_input_lidar: the frame of the network's points is the lidar's, or with a guess of T_camera_lidar that camera's.

    Its axes are then forward, left, up.
    """
    return T_LEVEL_CAMERA @ guess if guess else Pose.identity()


def view_camera(camera: Camera) -> Camera:
    """The camera whose edges bound the view: this one, or `undistorted` where a corner has no x/z and y/z."""
    corners = [[u, v] for u in (0.0, camera.width - 1.0) for v in (0.0, camera.height - 1.0)]
    return camera.undistorted if np.isnan(camera.unproject(corners)).any() else camera


def original_pixels(pixels: Array, width: int, height: int, camera: Camera) -> Array:
    """Pixels (M, 2) of the `camera` from those of its undistorted image at a size of width and height. They count from
    the centre of the first one, so they are scaled about its corner. NaN where the lens sees nothing."""
    flat = camera.undistorted
    return camera.distorted((pixels + 0.5) * [flat.width / width, flat.height / height] - 0.5)


def near_view(cloud: PointCloud, guess: Pose, camera: Camera) -> PointCloud:
    """The points that may be in view of a camera near `guess` (T_camera_lidar), in the frame of `input_frame`."""
    T, view = input_frame(guess), view_camera(camera)
    corners = [[0.0, 0.0], [view.width - 1.0, view.height - 1.0]]
    (left, top), (right, bottom) = np.arctan(view.unproject(corners))
    x, y, z = (cloud.xyz @ T.rotation.T.astype(np.float32) + T.translation.astype(np.float32)).T  # to a millimetre
    wide = _between_rays(x, -y, left - CROP_MARGIN, right + CROP_MARGIN)
    high = _between_rays(np.hypot(x, y), -z, top - CROP_MARGIN, bottom + CROP_MARGIN)
    return cloud.selected(np.flatnonzero(wide & high)).transformed(T)


def _between_rays(x: Floats, y: Floats, low: float, high: float) -> NDArray[np.bool_]:
    """(N,) whether arctan2(y, x) lies between two angles, without computing it."""
    above, below = np.cos(low) * y > np.sin(low) * x, np.cos(high) * y < np.sin(high) * x
    return np.asarray(above & below if high - low < np.pi else above | below)


def point_features(cloud: PointCloud, guessed: bool = False) -> Floats:
    """(N, 8) features of each point by itself. `guessed`: the cloud is one of `near_view`."""
    xyz = cloud.xyz
    centre = np.zeros(2) if guessed else np.median(xyz[:, :2], axis=0)
    ground = np.percentile(xyz[:, 2], 5)  # robust to a few points below the road
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else np.clip(cloud.intensity, 0, 1)
    guess = np.zeros((len(cloud), GUESS_FEATURES))
    if guessed:
        guess = np.concatenate([tangents(xyz), np.ones((len(cloud), 1))], axis=1)
    place = [(xyz[:, :2] - centre) / 20.0, (xyz[:, 2:] - ground) / 3.0]
    return np.concatenate([*place, intensity[:, None], np.ones((len(cloud), 1)), guess], axis=1).astype(np.float32)


def tangents(xyz: Floats) -> Floats:
    """(N, 2) right and down of points (N, 3), x forward, y left, z up, over their distance ahead; bounded."""
    ahead = np.maximum(xyz[:, :1], MIN_AHEAD)
    return np.clip(-xyz[:, 1:] / ahead, -MAX_TANGENT, MAX_TANGENT)

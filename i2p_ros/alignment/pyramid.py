# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image pyramids with one channel for each signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from i2p_ros.alignment.kernels import LANES
from i2p_ros.alignment.patches import intrinsics
from i2p_ros.alignment.signals import LIDAR, PLAIN, Floats, Signal, plain_channels
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.types import Image, Pair

COARSEST_WIDTH = 160  # px, about, of the last level


@dataclass(frozen=True, slots=True, eq=False)
class ImagePyramid:
    """`levels` are images (C, H, W) of mean zero, in grey levels. Level 0 is the finest, and each level is half as wide
    as the one before. Their channels belong to the C `signals`. `camera` is that of level 0, without distortion.

    As the kernels take them, `texels` (G, H, W, 4) are the same images, and `intrinsics` (4,) those of each level.
    """

    camera: Camera
    levels: tuple[Floats, ...]
    signals: tuple[Signal, ...]
    texels: tuple[Floats, ...] = field(init=False)
    intrinsics: tuple[Floats, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texels", tuple(_texels(level) for level in self.levels))
        cameras = [self.camera_at(level) for level in range(len(self.levels))]
        object.__setattr__(self, "intrinsics", tuple(intrinsics(camera) for camera in cameras))

    @staticmethod
    def of(camera: Camera, levels: Sequence[Floats], signals: Sequence[Signal]) -> ImagePyramid:
        """The pyramid of images with any mean."""
        centred = tuple(np.ascontiguousarray(level - level.mean(axis=(1, 2), keepdims=True)) for level in levels)
        return ImagePyramid(camera, centred, tuple(signals))

    def camera_at(self, level: int) -> Camera:
        """The camera of the images of a level."""
        height, width = self.levels[level].shape[1:]
        return self.camera.resized(width, height)


def plain_pyramid(pair: Pair, settings: RefinementSettings, signals: Sequence[Signal] = PLAIN) -> ImagePyramid:
    """The pyramid of the plain channels of a pair's image, which is undistorted and made at most `settings.width` wide.

    The channels of each level are computed from the image of that level.
    """
    image, camera = pair.camera.undistort(pair.image)
    if camera.width > settings.width:
        camera = camera.resized(settings.width, round(camera.height * settings.width / camera.width))
        image = np.asarray(cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA), np.uint8)
    return ImagePyramid.of(camera, [plain_channels(level, signals) for level in _halved(grey_levels(image))], signals)


def predicted_pyramid(camera: Camera, channels: Floats, signals: Sequence[Signal] = LIDAR.signals) -> ImagePyramid:
    """The pyramid of predicted channels (C, H, W), one for each signal, of an image of `camera`."""
    levels = (_channels_last(level) for level in _halved(np.ascontiguousarray(channels.transpose(1, 2, 0))))
    return ImagePyramid.of(camera, [np.ascontiguousarray(level.transpose(2, 0, 1)) for level in levels], signals)


def grey_levels(image: Image) -> Floats:
    """(H, W) grey levels, 0..255, of an RGB image."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _texels(level: Floats) -> Floats:
    """(G, H, W, LANES) of an image (C, H, W): its channels in groups, with zeros after the last."""
    channels, height, width = level.shape
    found = np.zeros((-(-channels // LANES), height, width, LANES), np.float32)
    for c in range(channels):
        found[c // LANES, :, :, c % LANES] = level[c]
    return found


def _channels_last(image: Floats) -> Floats:
    """(H, W, C) of an image from OpenCV, which drops the axis of a single channel."""
    return image.reshape(*image.shape[:2], -1)


def _halved(image: Floats) -> list[Floats]:
    """The image (H, W) or (H, W, C), and images of halved sizes down to about COARSEST_WIDTH."""
    levels = [image]
    for _ in range(max(0, round(np.log2(image.shape[1] / COARSEST_WIDTH)))):
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        levels.append(image)
    return levels

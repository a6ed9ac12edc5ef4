# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of a sample that keep its labels right: mirrored, cropped, recoloured, with another lidar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Image, PointCloud, Sample
from i2p_ros.training.alignment import ASPECT

BEAM_RAD = np.radians(0.43)  # about the step between the beams of an HDL-64E
TILT_DEG = np.array([2.0, 2.0, 2.0])  # deviations of the turns about the camera's axes right, down, forward
STREET = 8.0  # m: median distance of the points of a lidar in a street, or less
LEAST_POINTS = 2000  # that a poorer lidar leaves
_MIRROR_CAMERA, _MIRROR_LIDAR = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, -1.0, 1.0])


def mirrored(sample: Sample) -> Sample:
    """The mirrored sample: image and cloud swap left and right."""
    assert sample.T_camera_lidar is not None
    pair, pose = sample.pair, sample.T_camera_lidar
    camera = replace(pair.camera, cx=pair.camera.width - 1 - pair.camera.cx)
    cloud = PointCloud(pair.cloud.xyz * np.array([1, -1, 1], np.float32), pair.cloud.intensity)
    image = np.ascontiguousarray(pair.image[:, ::-1])
    T = Pose(_MIRROR_CAMERA @ pose.rotation @ _MIRROR_LIDAR, _MIRROR_CAMERA @ pose.translation)
    return Sample(replace(pair, image=image, camera=camera, cloud=cloud), T)


def cropped(sample: Sample, rng: np.random.Generator, least: float = 0.55, aspect: float = ASPECT) -> Sample:
    """A window of the image with the aspect of all training images, and of at least `least` of the largest such."""
    pair, camera = sample.pair, sample.pair.camera
    share = rng.uniform(least, 1.0) if rng.random() < 0.5 else 1.0
    width = int(share * min(camera.width, camera.height * aspect))
    height = min(round(width / aspect), camera.height)
    left, top = rng.integers(0, camera.width - width + 1), rng.integers(0, camera.height - height + 1)
    image = np.ascontiguousarray(pair.image[top : top + height, left : left + width])
    window = camera.cropped(int(left), int(top), width, height)
    return replace(sample, pair=replace(pair, image=image, camera=window))


def tilted(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample with its camera turned by a few degrees about each of its axes. What it did not see is black."""
    assert sample.T_camera_lidar is not None
    pair = sample.pair
    turn = Pose.from_rotvec(np.radians(rng.normal(size=3) * TILT_DEG), [0.0, 0.0, 0.0])
    k = pair.camera.matrix
    warp = k @ turn.rotation @ np.linalg.inv(k)
    image = cv2.warpPerspective(pair.image, warp, (pair.camera.width, pair.camera.height))
    return replace(
        sample, pair=replace(pair, image=np.asarray(image, np.uint8)), T_camera_lidar=turn @ sample.T_camera_lidar
    )


def shrunk(sample: Sample, width: int = 512) -> Sample:
    """The sample with its image at most this wide: varying a large image is slow and the network shrinks it anyway."""
    pair, camera = sample.pair, sample.pair.camera
    if camera.width <= width:
        return sample
    size = (width, round(camera.height * width / camera.width))
    image = np.asarray(cv2.resize(pair.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return replace(sample, pair=replace(pair, image=image, camera=camera.resized(*size)))


def recoloured(image: Image, rng: np.random.Generator) -> Image:
    """The image with another exposure, gamma, white balance, sharpness and noise."""
    x: NDArray[Any] = (image / np.float32(255.0)) ** rng.uniform(0.75, 1.33)
    x = (x - 0.5) * rng.uniform(0.75, 1.2) + 0.5 + rng.uniform(-0.1, 0.1) + rng.uniform(-0.05, 0.05, 3)
    if rng.random() < 0.3:  # light that differs over the image, as of shadows and haze
        coarse = rng.uniform(0.4, 1.3, (3, 6)).astype(np.float32)
        x = x * cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)[:, :, None]
    if rng.random() < 0.1:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.3:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), image.shape[1] / 512 * rng.uniform(0.3, 1.5)))
    x = x + rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0, 0.04)
    new: Image = np.asarray(np.clip(x * 255.0, 0, 255), np.uint8)
    if rng.random() < 0.2:
        _, jpeg = cv2.imencode(".jpg", new, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        new = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    return new


def resensed(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """The cloud as a poorer lidar would have measured it, without some of the objects."""
    if cloud.intensity is not None:
        cloud = PointCloud(cloud.xyz, cloud.intensity * np.float32(rng.uniform(0.6, 1.4)))
    x, y, z = cloud.xyz.T
    keep = np.ones(len(cloud), bool)
    if rng.random() < 0.2:  # a sector that something covers
        gap = np.abs(np.angle(np.exp(1j * (np.arctan2(y, x) - rng.uniform(-np.pi, np.pi)))))
        keep &= gap > rng.uniform(0.0, 0.3)
    if rng.random() < 0.3:  # fewer beams
        beam = np.floor(np.arctan2(z, np.hypot(x, y)) / BEAM_RAD).astype(np.int64)
        keep &= (beam + rng.integers(4)) % rng.integers(2, 5) == 0
    if rng.random() < 0.3:  # what has driven away since
        size = min(1.0, float(np.median(np.hypot(x, y))) / STREET)  # a room has smaller objects
        for place in cloud.xyz[rng.integers(0, len(cloud), 6), :2]:
            keep &= np.hypot(*(cloud.xyz[:, :2] - place).T) > size * rng.uniform(0.5, 2.5)
    if rng.random() < 0.3:
        keep &= rng.random(len(cloud)) < rng.uniform(0.3, 1.0)
    if keep.sum() < LEAST_POINTS:
        return cloud
    cloud = cloud.selected(keep)
    noise = rng.standard_normal(cloud.xyz.shape, dtype=np.float32) * np.float32(rng.choice([0.0, 0.01, 0.03]))
    return PointCloud(cloud.xyz + noise, cloud.intensity)


def varied(sample: Sample, rng: np.random.Generator, aspect: float = ASPECT) -> Sample:
    """Another sample of the same place: mirrored, cropped, recoloured, with another lidar."""
    if rng.random() < 0.5:
        sample = mirrored(sample)
    if rng.random() < 0.4:
        sample = tilted(sample, rng)
    sample = shrunk(cropped(sample, rng, aspect=aspect))  # in this order: a crop that is enlarged is never sharp
    pair = replace(sample.pair, image=recoloured(sample.pair.image, rng), cloud=resensed(sample.pair.cloud, rng))
    return replace(sample, pair=pair)


def wrong_guess(T_camera_lidar: Pose, rng: np.random.Generator) -> Pose:
    """A wrong T_camera_lidar. Half of all are turned about the vertical axis at the true place. The others are
    elsewhere, and half of these are turned as well."""
    elsewhere, turned = rng.random(2) < 0.5
    yaw = rng.uniform(0.25, 1.75) * np.pi if turned or not elsewhere else 0.0
    far = rng.uniform(5.0, 20.0) if elsewhere else rng.uniform(0.0, 4.0)
    to = rng.uniform(-np.pi, np.pi)
    return Pose.from_rotvec([0.0, yaw, 0.0], [far * np.cos(to), 0.0, far * np.sin(to)]) @ T_camera_lidar

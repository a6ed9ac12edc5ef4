# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training examples: a sample, varied and perturbed, as tensors with labels. Example k of a seed is always the same."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Parts
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.types import Image, Pair, PointCloud, Sample
from i2p_ros.networks.vp2p import VP2P, frame_of, network_camera
from i2p_ros.sources.base import Source
from i2p_ros.sources.perturb import perturbed, random_prior
from i2p_ros.training.alignment import ASPECT, alignment_example

BEAM_RAD = np.radians(0.43)  # about the step between the beams of an HDL-64E
LEAST_POINTS = 2000  # that a poorer lidar leaves
ATTEMPTS = 10  # draws of a sample
PRIOR_SCALES = 0.05, 1.0  # of the ranges of the protocol `prior`
WRONG = 0.35  # share of priors from which nothing, or something else, is in view
_MIRROR_CAMERA, _MIRROR_LIDAR = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, -1.0, 1.0])


class CachedSource(Source):
    """A source whose samples are kept in a folder once made, so that a synthetic world is rendered only once.

    `settings` is all that the samples follow from beside the name: other settings have a folder of their own.
    """

    def __init__(self, source: Source, folder: Path, settings: str) -> None:
        self._source = source
        self._folder = folder / hashlib.sha256(f"{source.name}\n{settings}".encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """Name of the cached source."""
        return self._source.name

    @property
    def frames(self) -> tuple[str, str]:
        """Frames of the cached source."""
        return self._source.frames

    @property
    def drives(self) -> tuple[str, ...]:
        """Drives of the cached source."""
        return self._source.drives

    @property
    def lost(self) -> Counter[str]:
        """Losses of the cached source."""
        return self._source.lost

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        try:
            return _unpack(self._source, self._file(index), index)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # not made yet, or damaged
            sample = self._source[index]
        self._keep(index, sample)
        return sample

    def fill(self, make: Callable[[Sequence[int]], Sequence[Sample]], part: int = 0, parts: int = 1) -> int:
        """Make this part of the samples that are not kept yet, many at a time, as a GPU does; returns how many."""
        at_once = 64
        missing = [index for index in range(part, len(self), parts) if not self._file(index).exists()]
        for k in range(0, len(missing), at_once):
            indices = missing[k : k + at_once]
            for index, sample in zip(indices, make(indices), strict=True):
                self._keep(index, sample)
        return len(missing)

    def _file(self, index: int) -> Path:
        return self._folder / f"{index:07d}.npz"

    def _keep(self, index: int, sample: Sample) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._file(index).with_suffix(f".{os.getpid()}.tmp.npz")  # two workers may make the same one
        np.savez(partial, allow_pickle=False, **_pack(sample))
        partial.replace(self._file(index))


def _pack(sample: Sample) -> dict[str, NDArray[Any]]:
    pair, pose = sample.pair, sample.T_camera_lidar
    if pose is None or pair.cloud.intensity is None or pair.camera.distortion:
        raise InputError("only samples with a true pose, intensities and an undistorted camera are cached", "cache")
    c = pair.camera
    camera = np.array([c.fx, c.fy, c.cx, c.cy, c.width, c.height])
    return {
        "image": pair.image, "xyz": pair.cloud.xyz, "intensity": pair.cloud.intensity,
        "camera": camera, "T_camera_lidar": pose.matrix,
    }  # fmt: skip


def _unpack(source: Source, file: Path, index: int) -> Sample:
    with np.load(file, allow_pickle=False) as data:
        fx, fy, cx, cy, width, height = data["camera"]
        camera = Camera(fx, fy, cx, cy, int(width), int(height))
        cloud = PointCloud(data["xyz"], data["intensity"])
        pair = Pair(data["image"], camera, cloud, name=f"{source.name}/{index}")
        return Sample(pair, Pose.from_matrix(data["T_camera_lidar"]))


def mirrored(sample: Sample) -> Sample:
    """The world seen in a mirror: image and cloud swap left and right."""
    assert sample.T_camera_lidar is not None
    pair, pose = sample.pair, sample.T_camera_lidar
    camera = replace(pair.camera, cx=pair.camera.width - 1 - pair.camera.cx)
    cloud = PointCloud(pair.cloud.xyz * np.array([1, -1, 1], np.float32), pair.cloud.intensity)
    image = np.ascontiguousarray(pair.image[:, ::-1])
    T = Pose(_MIRROR_CAMERA @ pose.rotation @ _MIRROR_LIDAR, _MIRROR_CAMERA @ pose.translation)
    return Sample(replace(pair, image=image, camera=camera, cloud=cloud), T)


def cropped(sample: Sample, rng: np.random.Generator, least: float = 0.55) -> Sample:
    """A window of the image with the aspect of all training images, and of at least `least` of the largest such."""
    pair, camera = sample.pair, sample.pair.camera
    share = rng.uniform(least, 1.0) if rng.random() < 0.5 else 1.0
    width = int(share * min(camera.width, camera.height * ASPECT))
    height = min(round(width / ASPECT), camera.height)
    left, top = rng.integers(0, camera.width - width + 1), rng.integers(0, camera.height - height + 1)
    image = np.ascontiguousarray(pair.image[top : top + height, left : left + width])
    window = camera.cropped(int(left), int(top), width, height)
    return replace(sample, pair=replace(pair, image=image, camera=window))


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
    """The cloud as a poorer lidar would have taken it, in a world where some things are gone."""
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
        for place in cloud.xyz[rng.integers(0, len(cloud), 6), :2]:
            keep &= np.hypot(*(cloud.xyz[:, :2] - place).T) > rng.uniform(0.5, 2.5)
    if rng.random() < 0.3:
        keep &= rng.random(len(cloud)) < rng.uniform(0.3, 1.0)
    if keep.sum() < LEAST_POINTS:
        return cloud
    cloud = cloud.selected(keep)
    noise = rng.standard_normal(cloud.xyz.shape, dtype=np.float32) * np.float32(rng.choice([0.0, 0.01, 0.03]))
    return PointCloud(cloud.xyz + noise, cloud.intensity)


def varied(sample: Sample, rng: np.random.Generator) -> Sample:
    """Another sample of the same place: mirrored, cropped, recoloured, with another lidar."""
    if rng.random() < 0.5:
        sample = mirrored(sample)
    sample = shrunk(cropped(sample, rng))  # not the other way round: a crop that is enlarged is never sharp
    pair = replace(sample.pair, image=recoloured(sample.pair.image, rng), cloud=resensed(sample.pair.cloud, rng))
    return replace(sample, pair=pair)


def wrong_guess(T_camera_lidar: Pose, rng: np.random.Generator) -> Pose:
    """Where a camera might be taken to be and is not: turned about its vertical axis where it is (half of all), or
    elsewhere, as likely turned as not."""
    elsewhere, turned = rng.random(2) < 0.5
    yaw = rng.uniform(0.25, 1.75) * np.pi if turned or not elsewhere else 0.0
    far = rng.uniform(5.0, 20.0) if elsewhere else rng.uniform(0.0, 4.0)
    to = rng.uniform(-np.pi, np.pi)
    return Pose.from_rotvec([0.0, yaw, 0.0], [far * np.cos(to), 0.0, far * np.sin(to)]) @ T_camera_lidar


class TrainingSet(Dataset[dict[str, torch.Tensor]]):
    """Example k: a source and a protocol drawn by their shares, an item of the source, varied and perturbed, all from
    the seed and k. A prior is off by any share of what its protocol says, as a second pass has a better one; or wrong,
    as where a street was taken for the same one seen the other way."""

    def __init__(
        self, family: VP2P, sources: Sequence[tuple[Source, float]], protocols: Mapping[ProtocolName, float], seed: int,
        samples: int, parts: Parts = "all",
    ) -> None:  # fmt: skip
        self.family, self.sources, self.protocols, self.seed, self.samples = family, sources, protocols, seed, samples
        self.parts: Parts = parts
        self._shares = np.array([share for _, share in sources]) / sum(share for _, share in sources)
        self._protocol_shares = np.array(list(protocols.values())) / sum(protocols.values())

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: int) -> dict[str, torch.Tensor]:
        """Sample k; drawn again where what is drawn leaves the network no points, as a guess that looks past them."""
        attempt = 0
        while True:
            try:
                return self._drawn(k, np.random.default_rng([self.seed, k, attempt]))
            except InputError:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise

    def _drawn(self, k: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        source = self.sources[rng.choice(len(self.sources), p=self._shares)][0]
        sample = varied(source[int(rng.integers(len(source)))], rng)
        protocol = list(self.protocols)[rng.choice(len(self.protocols), p=self._protocol_shares)]
        if protocol == "prior" and sample.T_camera_lidar:
            wrong, scale = rng.random() < WRONG, rng.uniform(*PRIOR_SCALES)
            T = sample.T_camera_lidar
            sample = replace(sample, prior=random_prior(wrong_guess(T, rng) if wrong else T, rng, scale))
        else:
            sample, _ = perturbed(sample, protocol, self.seed, k)
        return example(self.family, sample, rng, self.parts)


def example(family: VP2P, sample: Sample, rng: np.random.Generator, parts: Parts = "all") -> dict[str, torch.Tensor]:
    """What the parts of the network are given, and their labels."""
    if sample.T_camera_lidar is None:
        raise InputError(f"{sample.pair.name} has no true pose: it cannot be trained on", "training.truth")
    given = {} if parts == "alignment" else matching_example(family, sample, rng)
    if parts != "matching":
        given |= alignment_example(sample, family.settings.likeness_width, rng)
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in given.items()}


def matching_example(family: VP2P, sample: Sample, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Inputs, and the labels: `uv` (N, 2) network pixels of the points, `visible` (N,) whether inside the image,
    `camera` (4,) fx, fy, cx, cy in network pixels, `T_camera_lidar` (4, 4) of the points as they are given."""
    assert sample.T_camera_lidar is not None
    guess = sample.prior.pose if sample.prior else None
    inputs = family.prepare(sample.pair, guess, rng)
    T_camera_given = sample.T_camera_lidar @ frame_of(guess).inverse()
    points = family.settings.max_points
    if len(inputs["points"]) < points:  # a batch needs equal numbers
        again = rng.integers(0, len(inputs["points"]), points - len(inputs["points"]))
        for key in ("points", "features"):
            inputs[key] = np.concatenate([inputs[key], inputs[key][again]])
    camera = network_camera(sample.pair.camera, family.settings.image_width)
    uv, visible = camera.project(T_camera_given.apply(inputs["points"]))
    return {
        **inputs,
        "uv": np.nan_to_num(uv, nan=-1e4).astype(np.float32), "visible": visible,
        "camera": np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        "T_camera_lidar": T_camera_given.matrix,
    }  # fmt: skip

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs that `i2p bench` times: ROS messages of synthetic places, and the same places at other resolutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings
from i2p_ros.core.messages import cloud_from_message, image_from_message
from i2p_ros.core.stages import stage
from i2p_ros.core.types import Image, Pair, PointCloud, Prior, Sample
from i2p_ros.sources.perturb import perturbed, random_prior
from i2p_ros.synthetic import SyntheticSource

SEED = 11
TRACKED_M, TRACKED_RAD = 0.3, np.radians(3.0)  # largest error of a prior from tracking along and about each axis
INPUT = {"width": 1242, "height": 375, "points": 120_000}  # as KITTI's
LARGE = {"width": 3264, "height": 2448, "points": 2_000_000}


@dataclass(frozen=True)
class MessagePair:
    """A pair as it arrives: sensor_msgs/Image and sensor_msgs/PointCloud2, by their attributes, and the camera.

    `prior` is as good as the pose that tracking predicts: up to 0.3 m and 3 deg off along and about each axis.
    """

    image: Any
    cloud: Any
    camera: Camera
    prior: Prior | None = None

    @staticmethod
    def of(pair: Pair) -> MessagePair:
        """Messages of a pair."""
        return MessagePair(image_message(pair.image), cloud_message(pair.cloud), pair.camera)

    def decoded(self) -> Pair:
        """Pair of the messages, as the stage `decode`."""
        with stage("decode"):
            return self._pair()

    def _pair(self) -> Pair:
        return Pair(image_from_message(self.image), self.camera, cloud_from_message(self.cloud))


def image_message(image: Image) -> Any:
    """A sensor_msgs/Image, bgr8."""
    height, width = image.shape[:2]
    return SimpleNamespace(
        height=height, width=width, encoding="bgr8", is_bigendian=0, step=3 * width, data=image[..., ::-1].tobytes()
    )


def cloud_message(cloud: PointCloud) -> Any:
    """A sensor_msgs/PointCloud2 of x, y, z and intensity."""
    intensity = np.zeros(len(cloud), np.float32) if cloud.intensity is None else cloud.intensity
    rows = np.concatenate([cloud.xyz, intensity[:, None]], axis=1)
    fields = [
        SimpleNamespace(name=name, offset=4 * i, datatype=7, count=1)
        for i, name in enumerate(("x", "y", "z", "intensity"))
    ]
    return SimpleNamespace(
        height=1, width=len(rows), fields=fields, is_bigendian=False, point_step=16, row_step=16 * len(rows),
        data=rows.tobytes(),
    )  # fmt: skip


def synthetic_pairs(n: int, settings: Settings) -> list[MessagePair]:
    """Pairs of the size INPUT, each of another synthetic place, with clouds in frames drawn as protocol vp2p says."""
    source = SyntheticSource(settings.synthetic.model_copy(update=INPUT), SEED, n)
    samples = [perturbed(source[i], "vp2p", SEED, i)[0] for i in range(n)]
    return [replace(MessagePair.of(sample.pair), prior=_tracked(sample, i)) for i, sample in enumerate(samples)]


def _tracked(sample: Sample, index: int) -> Prior:
    assert sample.T_camera_lidar
    rng = np.random.default_rng([SEED, index])
    return random_prior(sample.T_camera_lidar, rng, metres=TRACKED_M, radians=TRACKED_RAD)


def resampled(messages: MessagePair, width: int, height: int, points: int) -> MessagePair:
    """The same place at another resolution: points are drawn again with 2 cm of noise, pixels interpolated."""
    pair, rng = messages.decoded(), np.random.default_rng(0)
    rows = rng.permutation(np.resize(rng.permutation(len(pair.cloud)), points))
    cloud = pair.cloud.selected(rows)
    noisy = cloud.xyz + rng.normal(0.0, 0.02, cloud.xyz.shape).astype(np.float32)
    image = np.asarray(cv2.resize(pair.image, (width, height)), np.uint8)
    return MessagePair.of(Pair(image, pair.camera.resized(width, height), replace(cloud, xyz=noisy)))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic descriptors of known truth."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from helpers.matches import CAMERA, rays
from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Correspondences, DescriptorSimilarity, Prediction

LENS = Camera(360.0, 350.0, 250.0, 90.0, 512, 160, "plumb_bob", (-0.3, 0.1, 1e-3, -1e-3, 0.0))
ELSEWHERE = Pose.from_rotvec([0.0, 0.0, 2.0], [4.0, 1.0, 0.0])


@dataclass(frozen=True)
class World:
    """A prediction whose similarity is highest at the `truth`, and an `impostor`: more and better matches of another
    pose."""

    prediction: Prediction
    truth: Pose
    impostor: Correspondences


def similarity_of(points: NDArray[np.float32], values: NDArray[np.float32], camera: Camera) -> DescriptorSimilarity:
    """The similarity of these values, with the most similar pixels."""
    pixel = values.argmax(axis=1) if values.size else np.zeros(len(values), np.int64)
    return DescriptorSimilarity(points, values, camera, (pixel, values[np.arange(len(pixel)), pixel]))


def planted(seed: int, camera: Camera = CAMERA, offset: float = 0.0, n: int = 1500, twins: bool = False) -> World:
    """n points, half of them in view: those have the descriptor of where they fall, plus noise.

    Twins: half of those in view fall there from another pose.
    """
    rng = np.random.default_rng(seed)
    few = camera.undistorted.resized(64, 20)
    cells = cv2.GaussianBlur(rng.normal(size=(few.height, few.width, 16)), (0, 0), 1.0)
    cells /= np.linalg.norm(cells, axis=2, keepdims=True)
    ahead = rays(rng, n // 2, camera=few) * rng.uniform(4.0, 40.0, (n // 2, 1))
    points = np.r_[ahead, rng.uniform([-40.0, -5.0, -40.0], [40.0, 5.0, 40.0], (n - n // 2, 3))]
    pixels, inside = few.project(points)
    seen = cv2.remap(
        cells, *pixels[inside].T.astype(np.float32)[..., None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    descriptors = rng.normal(size=(n, 16))
    descriptors[inside] = seen[:, 0] + 0.3 * rng.normal(size=(inside.sum(), 16))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    truth = Pose.from_rotvec(rng.normal(size=3), rng.uniform(-10.0, 10.0, 3))
    lidar = truth.inverse().apply(points)
    if twins:
        other = inside & (np.arange(n) % 2 == 0)
        lidar[other] = (ELSEWHERE @ truth).inverse().apply(points[other])
    truth, lidar = truth @ Pose(np.eye(3), np.full(3, -offset)), lidar + offset
    similarity = similarity_of(
        lidar.astype(np.float32), (descriptors @ cells.reshape(-1, 16).T).astype(np.float32), few
    )
    shown, visible = camera.project(truth.apply(lidar))
    some = np.flatnonzero(visible)[:300]
    wrong = rng.random(len(some)) < 0.6
    right = np.where(
        wrong[:, None], rng.uniform([0, 0], [512, 160], (len(some), 2)), shown[some] + rng.normal(size=(len(some), 2))
    )
    false = rays(rng, 400, camera=camera) * rng.uniform(4.0, 40.0, (400, 1))
    impostor = Correspondences(camera.project(false)[0], (ELSEWHERE @ truth).inverse().apply(false), np.ones(400))
    return World(Prediction((Correspondences(right, lidar[some], np.ones(len(some))),), similarity), truth, impostor)

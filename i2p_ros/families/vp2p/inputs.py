# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a pair to the arrays of the VP2P network, and to those of the mirrored pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.base import Scene
from i2p_ros.families.branches.inputs import Floats, downsampled_view, image_arrays, ordered, point_features
from i2p_ros.families.vp2p.settings import VP2PSettings
from i2p_ros.networks.base import Arrays

_IMAGE_SIGNS = np.array([1, 1, 1, -1, 1], np.float32)  # of a mirrored image: viewing directions swap left and right
_POINT_SIGNS = np.array([1, -1, 1], np.float32)
_FEATURE_SIGNS = np.array([1, -1, 1, 1, 1, -1, 1, 1], np.float32)


@dataclass(frozen=True)
class VP2PScene(Scene):
    """A pair as the network takes it: `shared` are the `image` (5, h, w) and the `channels` (5, H', W') that lidar
    signals are predicted from. `cloud` is in random order and of bounded size."""

    cloud: PointCloud


def scene_of(pair: Pair, settings: VP2PSettings, rng: np.random.Generator | None) -> VP2PScene:
    """The scene of a pair; raises InputError for an image without contrast. Without rng the cloud has the same order
    each time, and pairs with the same cloud share it."""
    cloud = ordered(pair.cloud, rng)
    return VP2PScene(pair, image_arrays(pair, settings), cloud)


def pass_inputs(scene: VP2PScene, guess: Pose | None, settings: VP2PSettings) -> Arrays:
    """`points` (N, 3) in m and `features` (N, 8) of one forward pass.

    Near a guess of T_camera_lidar these are the points near its view, in its axes: forward, left, up.
    Raises InputError when there are too few points.
    """
    cloud = downsampled_view(scene.cloud, scene.pair.camera, guess, settings.downsample_m, settings.max_points)
    return {"points": cloud.xyz, "features": point_features(cloud, guess is not None)}


def mirrored(arrays: Arrays) -> Arrays:
    """The arrays of a forward pass of the mirrored pair: left and right are swapped, rows of points stay."""
    mirrors = {"image": _mirrored_image, "points": _mirrored_points, "features": _mirrored_features}
    return {name: mirrors[name](array) for name, array in arrays.items() if name in mirrors}


def _mirrored_image(image: Floats) -> Floats:
    return np.ascontiguousarray(image[:, :, ::-1]) * _IMAGE_SIGNS[:, None, None]


def _mirrored_points(points: Floats) -> Floats:
    return points * _POINT_SIGNS


def _mirrored_features(features: Floats) -> Floats:
    return features * _FEATURE_SIGNS

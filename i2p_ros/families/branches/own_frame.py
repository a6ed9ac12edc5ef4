# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes whose cloud is in a frame of its own. It turns with the cloud, so that the answer does too, whatever the yaw
of the given cloud is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair, PointCloud
from i2p_ros.families.base import Scene
from i2p_ros.families.branches.inputs import (
    downsampled_view,
    image_arrays,
    input_frame,
    network_camera,
    ordered,
    point_features,
    refuse_few,
)
from i2p_ros.families.branches.settings import BranchSettings
from i2p_ros.families.surroundings import geometric_median, places
from i2p_ros.networks.base import Arrays

FRAME_POINTS = 4096  # points, in random order, that the cloud's own frame follows from
REACH = 50.0  # m; distance from which on points count alike
GROUND_PERCENT = 5.0  # of the heights of points: robust to a few below the road


@dataclass(frozen=True)
class OwnFrameScene(Scene):
    """A pair as the network takes it: `shared` are the `image` (5, h, w), its `camera` (4,) fx, fy, cx, cy in px, and
    the `channels` (5, H', W') that signals are predicted from. `given` is the cloud in the lidar's frame, in random
    order and of bounded size. `T_own_lidar` leads to the cloud's own frame."""

    given: PointCloud
    T_own_lidar: Pose

    @property
    def cloud(self) -> PointCloud:
        """The whole cloud in its own frame."""
        return self.given.transformed(self.T_own_lidar)


def own_frame_scene(
    pair: Pair, settings: BranchSettings, rng: np.random.Generator | None, eye_m: float | None = None
) -> OwnFrameScene:
    """The scene of a pair; raises InputError for an image without contrast and for a cloud of too few points.

    `eye_m` is as in `own_frame`.
    """
    cloud = ordered(pair.cloud, rng)
    refuse_few(cloud)
    T_own_lidar = own_frame(cloud.xyz, eye_m)
    small = network_camera(pair.camera, settings.image_width)
    camera = np.array([small.fx, small.fy, small.cx, small.cy], np.float32)
    shared = image_arrays(pair, settings) | {"camera": camera}
    return OwnFrameScene(pair, shared, cloud, T_own_lidar)


def pass_inputs(scene: OwnFrameScene, guess: Pose | None, settings: BranchSettings) -> Arrays:
    """`points` (N, 3) in m and `features` (N, 8) of one forward pass, in the frame of `frame_of`.

    Near a guess of T_camera_lidar these are the points near its view. Raises InputError when there are too few points.
    """
    cell, most = settings.downsample_m, settings.max_points
    cloud = downsampled_view(scene.given, scene.pair.camera, guess, cell, most, scene.T_own_lidar)
    return {"points": cloud.xyz, "features": point_features(cloud, guess is not None)}


def frame_of(scene: OwnFrameScene, guess: Pose | None) -> Pose:
    """T_input_lidar: the cloud's own frame, or with a guess that camera's with the axes forward, left, up."""
    return input_frame(guess) if guess else scene.T_own_lidar


def own_frame(xyz: NDArray[np.float32], eye_m: float | None = None) -> Pose:
    """T_own_lidar of points (N, 3) in random order: the origin is their median, x the axis of their largest extent.

    Only yaw is turned. The median of x and y is the geometric one, which turns with the points. The axis is half the
    phase of the second circular moment. It points to where the mean is from the median. With `eye_m` the origin is so
    far above the ground instead of at the median of z.
    """
    place = places(xyz[:FRAME_POINTS])
    median = geometric_median(place)
    away = place - median
    away *= np.minimum(1.0, REACH / np.maximum(np.abs(away), 1e-3))
    turn = np.sqrt((away**2 / np.maximum(np.abs(away), 1e-3)).sum())  # half its phase
    yaw = np.angle(turn if (away.sum() * turn.conj()).real >= 0.0 else -turn)
    z = xyz[:FRAME_POINTS, 2].astype(np.float64)
    up = np.median(z) if eye_m is None else np.percentile(z, GROUND_PERCENT) + eye_m
    return Pose.from_rotvec([0.0, 0.0, -yaw]) @ Pose(np.eye(3), np.array([-median.real, -median.imag, -up]))

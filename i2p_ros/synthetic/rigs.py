# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera and the lidar of a vehicle, and their mounting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic.image_formation import CameraResponse
from i2p_ros.synthetic.lidars import Lidar

CAMERAS = {  # fisheyes of real devices, each with the full angle that its image circle shows, rad
    "tum_vi": (  # calibration of camera 0 of the TUM VI dataset at 512 x 512, cam0 of its Kalibr file
        Camera(190.978, 190.978, 255.5, 255.5, 512, 512, "equidistant", (0.00348, 0.000715, -0.00205, 0.000203)),
        np.radians(195.0),
    ),
    "t265": (  # typical calibration and data sheet of Intel's RealSense T265
        Camera(286.0, 286.0, 423.5, 399.5, 848, 800, "equidistant", (-0.0068, 0.0427, -0.0403, 0.0068)),
        np.radians(163.0),
    ),
}
LIDAR_HEIGHT = 1.73  # m, of the lidar of a KITTI-like rig above the ground
AXES_CAMERA_LIDAR = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True, slots=True)
class SensorRig:
    """Camera and lidar with their extrinsic calibration.

    `height` is that of the lidar above the ground, m. The image is black more than half of `field_of_view` (rad) off
    the optical axis.
    """

    camera: Camera
    response: CameraResponse
    lidar: Lidar
    T_camera_lidar: Pose
    height: float
    field_of_view: float = 2.0 * np.pi

    @staticmethod
    def random(settings: SyntheticSettings, rng: np.random.Generator, varied: bool) -> SensorRig:
        """Random rig. It is like KITTI's, with a random focal length and a mounting that varies by 4 cm and 1 deg on
        each axis. With `varied` it has any camera and any lidar, up to 1 m and 5 deg apart on each axis, and spinning
        lidars have any yaw. A camera that the settings name takes the place of the random one.
        """
        rig = _varied_rig(settings, rng) if varied else _usual_rig(settings, rng)
        if settings.camera == "random":
            return rig
        camera, field_of_view = CAMERAS[settings.camera]
        return replace(rig, camera=camera, field_of_view=field_of_view)

    def with_seed(self, seed: int) -> SensorRig:
        """The same rig with another seed of its noise."""
        return replace(self, response=replace(self.response, seed=seed), lidar=replace(self.lidar, seed=seed ^ 0x5EED))


def _usual_rig(settings: SyntheticSettings, rng: np.random.Generator) -> SensorRig:
    camera = _camera(settings, 0.58 * rng.uniform(0.95, 1.05), 0.03, rng)
    place = np.array([0.27, 0.0, -0.08]) + rng.uniform(-0.04, 0.04, 3)
    T_camera_lidar = _extrinsics(place, np.radians(rng.uniform(-1.0, 1.0, 3)), 0.0)
    lidar = Lidar.standard(settings.beams, settings.points, rng)
    return SensorRig(camera, CameraResponse.random(rng), lidar, T_camera_lidar, LIDAR_HEIGHT)


def _varied_rig(settings: SyntheticSettings, rng: np.random.Generator) -> SensorRig:
    camera = _camera(settings, float(np.exp(rng.uniform(np.log(0.38), np.log(1.3)))), 0.06, rng)
    lidar = Lidar.random(settings.points, rng)
    height = float(rng.uniform(0.6, 2.5))
    place = rng.uniform([-0.7, -0.5, max(-0.9, 0.5 - height)], [1.0, 0.5, 0.3])
    turn = np.radians(rng.uniform(-5.0, 5.0, 3))
    full_turn = lidar.step * lidar.columns > 6.28
    yaw = rng.uniform(-np.pi, np.pi) if full_turn and rng.random() < 0.5 else 0.0
    return SensorRig(camera, CameraResponse.random(rng), lidar, _extrinsics(place, turn, yaw), height)


def _camera(settings: SyntheticSettings, focal: float, spread: float, rng: np.random.Generator) -> Camera:
    """Camera with the size of the settings.

    `focal` is its focal length to its width, `spread` the largest offset of the principal point to the size.
    """
    size = np.array([settings.width, settings.height])
    cx, cy = (size - 1.0) * (0.5 + rng.uniform(-spread, spread, 2))
    return Camera(focal * settings.width, focal * settings.width, float(cx), float(cy), *size.tolist())


def _extrinsics(place: np.ndarray, turn: np.ndarray, yaw: float) -> Pose:
    """T_camera_lidar of a camera at `place` (m) with a small rotation `turn` (rad), in the lidar frame before `yaw`."""
    rotation = Pose.from_rotvec(turn).rotation @ AXES_CAMERA_LIDAR
    return Pose(rotation, -rotation @ place) @ Pose.from_rotvec([0.0, 0.0, yaw])

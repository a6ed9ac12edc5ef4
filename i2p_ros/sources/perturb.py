# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perturbation of a sample by a protocol: the cloud in a random frame, or a random prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, from_camera_axes
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.types import Prior, Sample

PRIOR_M, PRIOR_RAD = 1.0, np.radians(10.0)  # largest error of a prior along and about each axis of the camera


def _unmoved(yaw: float, translation: Array, tilt: Array) -> Pose:
    return Pose.identity()


def _in_ground_plane(yaw: float, translation: Array, tilt: Array) -> Pose:
    return Pose.from_rotvec([0.0, 0.0, yaw], [translation[0], translation[1], 0.0])


def _in_space(yaw: float, translation: Array, tilt: Array) -> Pose:
    tilted = Pose.from_rotvec([tilt[0], tilt[1], 0.0]) @ Pose.from_rotvec([0.0, 0.0, yaw])
    return Pose(tilted.rotation, translation)


# T_given_lidar of uniform draws: yaw (rad), translation (3,) m, tilt about x and y (2,) rad
TRANSFORMS: dict[ProtocolName, Callable[[float, Array, Array], Pose]] = {
    "none": _unmoved,
    "vp2p": _in_ground_plane,
    "sixdof": _in_space,
    "prior": _unmoved,
    "calib": _unmoved,
    "calib_10_25": _unmoved,
    "calib_10_50": _unmoved,
}
CALIBRATIONS: dict[ProtocolName, tuple[float, float]] = {  # largest errors of a calibration: m, deg
    "calib": (0.15, 15.0),
    "calib_10_25": (0.25, 10.0),
    "calib_10_50": (0.5, 10.0),
}


def random_transform(protocol: ProtocolName, rng: np.random.Generator) -> Pose:
    """T_given_lidar of a protocol: the random frame in which the cloud is given. Drawn from `rng`.

    All protocols take the same number of draws. Raises InputError `protocol` for an unknown protocol.
    """
    if protocol not in TRANSFORMS:
        raise InputError(f"no protocol {protocol!r}; there are {', '.join(TRANSFORMS)}", "protocol")
    yaw = rng.uniform(-np.pi, np.pi)
    translation = rng.uniform([-10.0, -10.0, -1.0], [10.0, 10.0, 1.0])
    tilt = np.radians(rng.uniform(-10.0, 10.0, 2))
    return TRANSFORMS[protocol](yaw, translation, tilt)


def perturbed(sample: Sample, protocol: ProtocolName, seed: int, index: int) -> tuple[Sample, Pose]:
    """The sample with its cloud in a random frame, and T_given_lidar. Both follow from protocol, seed and index.

    The protocols `prior` and `calib*` leave the cloud as it is and add a prior to the sample.
    """
    rng = np.random.default_rng([seed, index])
    T_given_lidar = random_transform(protocol, rng)
    T_lidar_given = T_given_lidar.inverse()
    pair = replace(sample.pair, cloud=sample.pair.cloud.transformed(T_given_lidar))
    T_camera = None if sample.T_camera_lidar is None else sample.T_camera_lidar @ T_lidar_given
    T_world = None if sample.T_world_lidar is None else sample.T_world_lidar @ T_lidar_given
    return Sample(pair, T_camera, T_world, _prior(protocol, T_camera, rng), sample.depth), T_given_lidar


def _prior(protocol: ProtocolName, T_camera_lidar: Pose | None, rng: np.random.Generator) -> Prior | None:
    if T_camera_lidar and protocol == "prior":
        return random_prior(T_camera_lidar, rng)
    if T_camera_lidar and protocol in CALIBRATIONS:
        metres, degrees = CALIBRATIONS[protocol]
        return random_calibration(T_camera_lidar, rng, metres, np.radians(degrees))
    return None


def random_prior(
    T_camera_lidar: Pose, rng: np.random.Generator, scale: float = 1.0, metres: float = PRIOR_M,
    radians: float = PRIOR_RAD,
) -> Prior:  # fmt: skip
    """A prior about a pose, off by up to `scale` times a uniform range along and about each camera axis.

    It has its true covariance. Without a range, it is that of the protocol `prior`.
    """
    spread = scale * np.repeat([metres, radians], 3)
    error = rng.uniform(-spread, spread)
    guess = Pose.from_rotvec(error[3:], error[:3]) @ T_camera_lidar
    return Prior(guess, from_camera_axes(guess, np.diag(spread**2 / 3.0)))


def random_calibration(T_camera_lidar: Pose, rng: np.random.Generator, metres: float, radians: float) -> Prior:
    """A prior as a calibration that is off by an error of random size; see `core.protocols`. It has its covariance."""
    spread = np.repeat([metres, radians], 3)
    error = np.repeat(rng.random(2), 3) * rng.uniform(-spread, spread)
    guess = Pose.from_rotvec(error[3:], error[:3]) @ T_camera_lidar
    return Prior(guess, from_camera_axes(guess, np.diag(spread**2 / 9.0)))  # E[a^2] / 3 = range^2 / 9

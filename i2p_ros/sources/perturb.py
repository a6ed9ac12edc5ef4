# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Perturbation of a sample by a protocol: the cloud in a random frame, or a random prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i2p_ros.core.geometry import Pose, from_camera_axes
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.types import Prior, Sample

PRIOR_M, PRIOR_RAD = 1.0, np.radians(10.0)  # largest error of a prior along and about each axis of the camera


def random_transform(protocol: ProtocolName, rng: np.random.Generator) -> Pose:
    """T_given_lidar of a protocol: the random frame in which the cloud is given. Drawn from `rng`."""
    yaw = rng.uniform(-np.pi, np.pi)
    x, y, height = rng.uniform([-10.0, -10.0, -1.0], [10.0, 10.0, 1.0])
    roll, pitch = np.radians(rng.uniform(-10.0, 10.0, 2))
    if protocol in ("none", "prior"):
        return Pose.identity()
    turn = Pose.from_rotvec([0.0, 0.0, yaw])
    if protocol == "vp2p":
        return Pose(turn.rotation, np.array([x, y, 0.0]))
    tilted = Pose.from_rotvec([roll, pitch, 0.0]) @ turn
    return Pose(tilted.rotation, np.array([x, y, height]))


def perturbed(sample: Sample, protocol: ProtocolName, seed: int, index: int) -> tuple[Sample, Pose]:
    """The sample with its cloud in a random frame, and T_given_lidar. Both follow from protocol, seed and index.

    The protocol `prior` leaves the cloud as it is and adds a prior to the sample.
    """
    rng = np.random.default_rng([seed, index])
    T_given_lidar = random_transform(protocol, rng)
    T_lidar_given = T_given_lidar.inverse()
    pair = replace(sample.pair, cloud=sample.pair.cloud.transformed(T_given_lidar))
    T_camera = None if sample.T_camera_lidar is None else sample.T_camera_lidar @ T_lidar_given
    T_world = None if sample.T_world_lidar is None else sample.T_world_lidar @ T_lidar_given
    prior = random_prior(T_camera, rng) if protocol == "prior" and T_camera else None
    return Sample(pair, T_camera, T_world, prior), T_given_lidar


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

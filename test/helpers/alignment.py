# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic pairs for alignment, whose true pose is exact, and poses near it."""

from functools import cache

import numpy as np

from i2p_ros.core.config import RefinementSettings, SyntheticSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair, Sample
from i2p_ros.synthetic import SyntheticSource

SETTINGS = RefinementSettings()
SPREAD = np.diag(np.array([0.5, 0.15, 0.8, *np.radians([0.5, 1.5, 0.8])]) ** 2)
PLACES = 12


@cache
def place(k: int) -> tuple[Pair, Pose]:
    """A pair and its true T_camera_lidar."""
    sample = SyntheticSource(SyntheticSettings(), 21, PLACES)[k]
    assert sample.T_camera_lidar is not None
    return sample.pair, sample.T_camera_lidar


@cache
def drive(seed: int, n: int, camera: str = "random") -> tuple[Sample, ...]:
    """The samples of a drive at 1 Hz, with one calibration."""
    settings = SyntheticSettings.model_validate({"drive": True, "rate_hz": 1.0, "camera": camera})
    source = SyntheticSource(settings, seed, n)
    return tuple(source[i] for i in range(n))


def offset(k: int) -> Array:
    """(6,) delta about the camera, as large as the errors of networks."""
    return np.random.default_rng(k).multivariate_normal(np.zeros(6), SPREAD) / 1.7


def moved(pose: Pose, delta: Array) -> Pose:
    """T_camera_lidar, moved by a delta about the camera."""
    return Pose.identity().retract(delta) @ pose

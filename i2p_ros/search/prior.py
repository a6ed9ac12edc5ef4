# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The density of a prior and of the place of the camera, for many poses at once."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.place import LidarPlace
from i2p_ros.core.types import Prior
from i2p_ros.pnp import covariance


def log_densities(
    prior: Prior | None, origin: Array, rotations: Array, translations: Array, place: LidarPlace | None = None
) -> Array:  # fmt: skip
    """(K,) log density of K poses under a Gaussian prior and a lidar near a place, up to a constant. What is not known
    counts as flat.

    A pose takes a point p of the lidar frame to `rotations[k] @ (p - origin) + translations[k]`. Deltas are taken about
    the camera of the prior, where position and rotation are least correlated.
    """
    near_place = place.log_densities(origin, rotations, translations) if place else np.zeros(len(rotations))
    if prior is None:
        return near_place
    camera = prior.pose.inverse().translation
    spread = covariance.with_origin(prior.covariance, prior.pose, -camera)
    turns = rotation_vectors(rotations @ prior.pose.rotation.T)
    deltas = np.concatenate([translations + rotations @ (camera - origin), turns], axis=1)
    return np.asarray(near_place - 0.5 * np.einsum("ki,ik->k", deltas, np.linalg.solve(spread, deltas.T)))


def log_density(prior: Prior | None, pose: Pose, place: LidarPlace | None = None) -> float:
    """Log density of one pose T_camera_lidar, as `log_densities`."""
    return float(log_densities(prior, np.zeros(3), pose.rotation[None], pose.translation[None], place)[0])


def narrowed(search: Array, prior: Prior | None, origin: Array) -> Array:
    """(6, 6) covariance of the product of a zero-mean Gaussian `search` (6, 6) about `origin` and one as wide as the
    prior."""
    if prior is None:
        return search
    spread = covariance.with_origin(prior.covariance, prior.pose, -origin)
    return covariance.symmetric(search @ np.linalg.inv(search + spread) @ spread)


def rotation_vectors(rotations: Array) -> Array:
    """(K, 3) rotation vectors of matrices (K, 3, 3), as `so3_log` gives for one. Wrong near half a turn, where no prior
    has density."""
    skewed = rotations - rotations.transpose(0, 2, 1)
    v = 0.5 * np.stack([skewed[:, 2, 1], skewed[:, 0, 2], skewed[:, 1, 0]], axis=1)
    sine = np.linalg.norm(v, axis=1)
    angle = np.arctan2(sine, 0.5 * (np.trace(rotations, axis1=1, axis2=2) - 1.0))
    return np.asarray(v * (angle / np.maximum(sine, 1e-12))[:, None])

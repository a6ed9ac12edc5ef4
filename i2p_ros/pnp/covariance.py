# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Covariances of poses: of least squares, of transformed poses, and in the form that ROS publishes.

Every covariance is (6, 6) in the coordinates (dt, theta) of `Pose.retract`: the translation, and a rotation vector on
the left, both along the axes of the frame that the pose maps to, in m and rad.
"""

from __future__ import annotations

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose, skew

FLOOR_STD = np.array([0.01] * 3 + [np.radians(0.05)] * 3)  # m, rad: least deviation that is published
CAP_RATIO = 1e4  # largest deviation that is published, in floors: 100 m and about 9 rad
AXES = ("x (right)", "y (down)", "z (forward)", "rotation about x", "rotation about y", "rotation about z")


def of_least_squares(jacobian: Array, weights: Array, variance: float, prior_information: Array | None = None) -> Array:
    """Covariance of weighted least squares: variance * A^-1 B A^-1 with A = J^T W J and B = J^T W^2 J.

    `jacobian` is (M, 2, 6), `weights` (M,), `variance` that of a residual in px^2. All errors have this variance. The
    simpler (J^T W J)^-1 holds only for weights that are inverse variances, and weights of a network are not. With a
    prior, the information A B^-1 A / variance of the matches is added to that of the prior (6, 6).
    """
    j, w = jacobian.reshape(-1, 6), np.repeat(weights, 2)[:, None]
    a, b = (j * w).T @ j, (j * w**2).T @ j
    if prior_information is None:
        inverse = np.linalg.inv(a)
        return symmetric(variance * inverse @ b @ inverse)
    information = symmetric(a @ np.linalg.pinv(b) @ a) / variance + prior_information
    return symmetric(np.asarray(np.linalg.inv(information), np.float64))


def unobservable_axes(jacobian: Array, weights: Array) -> list[str]:
    """Names of the camera axes that the matches do not constrain.

    These are the largest components of the eigenvectors whose eigenvalue of the unit-free J^T W J vanishes.
    """
    j = jacobian.reshape(-1, 6)
    a = (j * np.repeat(weights, 2)[:, None]).T @ j
    scale = np.sqrt(np.maximum(np.diag(a), 1e-300))
    values, vectors = np.linalg.eigh(a / np.outer(scale, scale))
    return sorted({AXES[int(np.argmax(np.abs(vectors[:, k])))] for k in np.flatnonzero(values < 1e-9)})


def weak_axes(covariance: Array, max_std_m: float, max_std_rad: float) -> list[str]:
    """Names of the axes whose standard deviation is above the limit, each with its deviation."""
    std = np.sqrt(np.diag(covariance))
    shown = [f"{s:.2g} m" for s in std[:3]] + [f"{np.degrees(s):.2g} deg" for s in std[3:]]
    limits = np.array([max_std_m] * 3 + [max_std_rad] * 3)
    return [f"{AXES[k]} {shown[k]}" for k in np.flatnonzero(~(std <= limits))]


def with_origin(covariance: Array, T_camera_map: Pose, shift: Array) -> Array:
    """Covariance of T_camera_lidar = T_camera_map T_map_lidar, where T_map_lidar subtracts `shift` (3,), m."""
    j = np.eye(6)
    j[:3, 3:] = skew(T_camera_map.rotation @ shift)
    return symmetric(j @ covariance @ j.T)


def camera_in_lidar(T_camera_lidar: Pose, covariance: Array) -> Array:
    """Covariance of T_lidar_camera, from that of T_camera_lidar.

    The order is x, y, z, rotation about x, y, z, along the fixed axes of the lidar frame, as in geometry_msgs.
    """
    j = T_camera_lidar.inverse_jacobian
    return symmetric(j @ covariance @ j.T)


def base_in_map(T_map_camera: Pose, covariance: Array, T_camera_base: Pose) -> Array:
    """Covariance of T_map_base = T_map_camera T_camera_base, from that of T_map_camera. T_camera_base is exact."""
    j = np.eye(6)
    j[:3, 3:] = -skew(T_map_camera.rotation @ T_camera_base.translation)
    return symmetric(j @ covariance @ j.T)


def published(covariance: Array, diagonal: bool = False) -> Array:
    """Covariance fit to publish: symmetric, with deviations between FLOOR_STD and CAP_RATIO times that.

    With `diagonal` it has the variances only, for consumers that refuse negative entries. Raises InputError for NaN and
    infinity.
    """
    if covariance.shape != (6, 6) or not np.isfinite(covariance).all():
        raise InputError("a covariance must be (6, 6) and finite: publish no pose instead", "nonfinite")
    unit = np.outer(FLOOR_STD, FLOOR_STD)
    values, vectors = np.linalg.eigh(symmetric(covariance / unit))
    fit = symmetric((vectors * np.clip(values, 1.0, CAP_RATIO**2)) @ vectors.T * unit)
    return np.diag(np.diag(fit)) if diagonal else fit


def symmetric(matrix: Array) -> Array:
    """Symmetric part of a matrix."""
    return 0.5 * (matrix + matrix.T)

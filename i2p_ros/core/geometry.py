# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms. `T_a_b` takes coordinates of frame b to frame a, in all files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.errors import InputError

Array = NDArray[np.float64]
IDENTITY = np.eye(3)
BLOCK = 8192  # rows of a matrix product in one thread: after a larger one OpenBLAS's idle threads spin for 0.1 s


def skew(v: ArrayLike) -> Array:
    """(3, 3) matrix S with S @ w = v x w."""
    x, y, z = np.asarray(v, np.float64)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def so3_exp(theta: ArrayLike) -> Array:
    """(3, 3) rotation of the rotation vector theta (rad), by Rodrigues' formula."""
    theta = np.asarray(theta, np.float64)
    angle2 = float(theta @ theta)
    angle = np.sqrt(angle2)
    if angle < 1e-4:  # series: the closed form loses digits here
        a, b = 1.0 - angle2 / 6.0, 0.5 - angle2 / 24.0
    else:
        a, b = np.sin(angle) / angle, (1.0 - np.cos(angle)) / angle2
    s = skew(theta)
    return np.eye(3) + a * s + b * (s @ s)


def so3_exp_many(theta: Array) -> Array:
    """(K, 3, 3) rotations of the rotation vectors theta (K, 3), rad: `so3_exp` of each."""
    angle = np.linalg.norm(theta, axis=1)
    axis = theta / np.maximum(angle, 1e-12)[:, None]
    x, y, z = (np.sin(angle)[:, None] * axis).T
    cosine, zero = np.cos(angle)[:, None, None], np.zeros_like(x)
    skewed = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    return skewed + cosine * np.eye(3) + (1.0 - cosine) * axis[:, :, None] * axis[:, None]


def so3_log(rotation: ArrayLike) -> Array:
    """(3,) rotation vector (rad, norm at most pi), through the quaternion: accurate at 0 and at pi."""
    x, y, z, w = quaternion_from_matrix(rotation)
    v = np.array([x, y, z])
    n = float(np.linalg.norm(v))
    if n < 1e-12:
        return 2.0 * v
    return 2.0 * np.arctan2(n, w) / n * v


def quaternion_from_matrix(rotation: ArrayLike) -> Array:
    """(4,) unit quaternion x, y, z, w with w >= 0 (Bar-Itzhack 2000).

    It is an eigenvector of the largest eigenvalue, so the matrix need not be exactly orthonormal.
    """
    r = np.asarray(rotation, np.float64)
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0.0, 0.0, 0.0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0.0, 0.0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0.0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    q: Array = np.linalg.eigh(k)[1][:, -1]
    return -q if q[3] < 0 else q


def matrix_from_quaternion(xyzw: ArrayLike) -> Array:
    """(3, 3) rotation of a quaternion x, y, z, w of any length but zero."""
    q = np.asarray(xyzw, np.float64)
    n = float(np.linalg.norm(q))
    if q.shape != (4,) or not np.isfinite(n) or n < 1e-9:
        raise InputError(f"a rotation needs a quaternion of four finite numbers, not all zero; got {q}", "quaternion")
    x, y, z, w = q / n
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """An element of SE(3): `rotation` (3, 3) and `translation` (3,) in metres, float64, read-only."""

    rotation: Array
    translation: Array

    def __post_init__(self) -> None:
        r = np.array(self.rotation, np.float64)
        t = np.array(self.translation, np.float64)
        if r.shape != (3, 3) or t.shape != (3,):
            raise InputError(f"a pose is a (3, 3) rotation and a (3,) translation, got {r.shape} and {t.shape}", "pose")
        (a, b, c), (d, e, f), (g, h, i) = r.tolist()  # numbers are quicker than small arrays
        if not all(map(isfinite, (a, b, c, d, e, f, g, h, i, *t.tolist()))):
            raise InputError("a pose must be finite", "pose")
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if np.abs(r @ r.T - IDENTITY).max() > 1e-3 or determinant < 0:
            raise InputError("the rotation of a pose must be orthonormal with determinant +1", "pose")
        for name, value in (("rotation", r), ("translation", t)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @staticmethod
    def identity() -> Pose:
        """The transform that changes nothing."""
        return Pose(np.eye(3), np.zeros(3))

    @staticmethod
    def from_matrix(matrix: ArrayLike) -> Pose:
        """Pose of a (3, 4) or (4, 4) matrix. A rotation that is rounded to a few digits is orthonormalised."""
        m = np.asarray(matrix, np.float64)
        if m.shape not in ((3, 4), (4, 4)):
            raise InputError(f"a pose matrix is (3, 4) or (4, 4), got {m.shape}", "pose")
        checked = Pose(m[:3, :3], m[:3, 3])
        return Pose(matrix_from_quaternion(quaternion_from_matrix(checked.rotation)), checked.translation)

    @staticmethod
    def from_quaternion(xyzw: ArrayLike, translation: ArrayLike) -> Pose:
        """Pose of a quaternion x, y, z, w (ROS order) and a translation."""
        return Pose(matrix_from_quaternion(xyzw), np.asarray(translation, np.float64))

    @staticmethod
    def from_rotvec(theta: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)) -> Pose:
        """Pose of a rotation vector (rad) and a translation."""
        return Pose(so3_exp(theta), np.asarray(translation, np.float64))

    @staticmethod
    def exp(xi: ArrayLike) -> Pose:
        """SE(3) exponential of xi = (rho, theta), (6,) in m and rad (Sola et al. 2018, eq. 172)."""
        xi = np.asarray(xi, np.float64)
        return Pose(so3_exp(xi[3:]), _left_jacobian(xi[3:]) @ xi[:3])

    def log(self) -> Array:
        """(6,) xi = (rho, theta) with exp(xi) equal to this pose."""
        theta = so3_log(self.rotation)
        return np.concatenate([np.linalg.solve(_left_jacobian(theta), self.translation), theta])

    def retract(self, delta: ArrayLike) -> Pose:
        """Exp(theta) R and t + dt for delta = (dt, theta): the coordinates of every covariance in this package."""
        delta = np.asarray(delta, np.float64)
        return Pose(so3_exp(delta[3:]) @ self.rotation, self.translation + delta[:3])

    def local(self, other: Pose) -> Array:
        """(6,) delta with self.retract(delta) equal to other."""
        return np.concatenate([other.translation - self.translation, so3_log(other.rotation @ self.rotation.T)])

    def __matmul__(self, other: Pose) -> Pose:
        return Pose(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def inverse(self) -> Pose:
        """T_b_a of T_a_b."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    @property
    def inverse_jacobian(self) -> Array:
        """(6, 6) J with self.retract(d).inverse() = self.inverse().retract(J d) to first order in d.

        With S the covariance of this pose, J S J^T is that of its inverse. The inverse pose has the Jacobian inv(J).
        """
        j = np.zeros((6, 6))
        j[:3, :3] = j[3:, 3:] = -self.rotation.T
        j[:3, 3:] = -self.rotation.T @ skew(self.translation)
        return j

    def apply(self, points: ArrayLike) -> Array:
        """(N, 3) points of frame b in frame a."""
        given = np.asarray(points, np.float64)
        if len(given) > BLOCK:
            return np.concatenate([self.apply(given[k : k + BLOCK]) for k in range(0, len(given), BLOCK)])
        return given @ self.rotation.T + self.translation

    @property
    def matrix(self) -> Array:
        """(4, 4) homogeneous matrix."""
        m = np.eye(4)
        m[:3, :3], m[:3, 3] = self.rotation, self.translation
        return m

    @property
    def quaternion(self) -> Array:
        """(4,) x, y, z, w (ROS order), w >= 0."""
        return quaternion_from_matrix(self.rotation)


def adjoint(pose: Pose) -> Array:
    """(6, 6) Ad with T Exp(xi) = Exp(Ad xi) T for xi = (rho, theta) (Sola et al. 2018, eq. 175)."""
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = pose.rotation
    out[:3, 3:] = skew(pose.translation) @ pose.rotation
    return out


def to_camera_axes(pose: Pose, covariance: Array) -> Array:
    """Covariance (6, 6) of xi in Exp(xi) T, from that of (dt, theta) of `Pose.retract`: about the camera, along its
    axes."""
    j = np.eye(6)
    j[:3, 3:] = skew(pose.translation)
    return np.asarray(j @ covariance @ j.T)


def from_camera_axes(pose: Pose, covariance: Array) -> Array:
    """Inverse of `to_camera_axes`. The result is exactly symmetric."""
    j = np.eye(6)
    j[:3, 3:] = -skew(pose.translation)
    back = j @ covariance @ j.T
    return np.asarray(0.5 * (back + back.T))


def _left_jacobian(theta: Array) -> Array:
    """(3, 3) V of SO(3) (Sola et al. 2018, eq. 145 and 174)."""
    angle2 = float(theta @ theta)
    angle = np.sqrt(angle2)
    if angle < 1e-4:
        b, c = 0.5 - angle2 / 24.0, 1.0 / 6.0 - angle2 / 120.0
    else:
        b, c = (1.0 - np.cos(angle)) / angle2, (angle - np.sin(angle)) / (angle2 * angle)
    s = skew(theta)
    return np.eye(3) + b * s + c * (s @ s)


def are_within(a: Pose, b: Pose, metres: float, radians: float) -> bool:
    """Whether the cameras of two poses T_camera_lidar are at most so far apart, and turned by at most so much."""
    apart = np.linalg.norm(a.inverse().translation - b.inverse().translation)
    return bool(apart <= metres and np.linalg.norm(a.local(b)[3:]) <= radians)


def distinct_poses(poses: Iterable[Pose], metres: float, radians: float, most: int) -> list[Pose]:
    """The first of the poses T_camera_lidar of which no two are within so much, at most so many."""
    kept: list[Pose] = []
    for pose in poses:
        if len(kept) < most and not any(are_within(pose, other, metres, radians) for other in kept):
            kept.append(pose)
    return kept

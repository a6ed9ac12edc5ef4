# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations and poses against scipy, and by their own laws."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import (
    Array,
    Pose,
    matrix_from_quaternion,
    quaternion_from_matrix,
    skew,
    so3_exp,
    so3_log,
)

settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True, database=None)
settings.load_profile("quick")

vectors = arrays(np.float64, 3, elements=st.floats(-100, 100))
unit = arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 0.1)
angles = st.one_of(st.floats(0, np.pi), st.sampled_from([0.0, 1e-12, 1e-8, 9.99e-5, 1.01e-4, np.pi - 1e-9, np.pi]))


@st.composite
def rotvecs(draw: st.DrawFn, largest: float = np.pi) -> Array:
    """Rotation vectors of at most `largest`, with the awkward angles among them."""
    axis = draw(unit)
    return np.asarray(axis / np.linalg.norm(axis) * min(draw(angles), largest))


@st.composite
def poses(draw: st.DrawFn) -> Pose:
    """Any pose."""
    return Pose.from_rotvec(draw(rotvecs()), draw(vectors))


def assert_same(a: Pose, b: Pose, atol: float = 1e-9) -> None:
    np.testing.assert_allclose(a.matrix, b.matrix, atol=atol)


@given(vectors, vectors)
def test_skew_is_the_cross_product(v: Array, w: Array) -> None:
    np.testing.assert_allclose(skew(v) @ w, np.cross(v, w), atol=1e-9)


@given(rotvecs())
def test_so3_exp_is_scipys(theta: Array) -> None:
    np.testing.assert_allclose(so3_exp(theta), Rotation.from_rotvec(theta).as_matrix(), atol=1e-12)


@given(rotvecs())
def test_so3_log_goes_back_to_the_same_rotation(theta: Array) -> None:
    log = so3_log(Rotation.from_rotvec(theta).as_matrix())
    assert np.linalg.norm(log) <= np.pi + 1e-12
    np.testing.assert_allclose(so3_exp(log), so3_exp(theta), atol=1e-12)
    if np.linalg.norm(theta) < np.pi - 1e-3:
        np.testing.assert_allclose(log, theta, atol=1e-9)


def test_so3_log_of_half_turns() -> None:
    for axis in np.eye(3):
        log = so3_log(2 * np.outer(axis, axis) - np.eye(3))
        np.testing.assert_allclose(np.abs(log), np.pi * axis, atol=1e-9)


@given(rotvecs())
def test_quaternions_are_scipys_and_go_back(theta: Array) -> None:
    rotation = Rotation.from_rotvec(theta)
    ours, theirs = quaternion_from_matrix(rotation.as_matrix()), rotation.as_quat(canonical=True)
    assert ours[3] >= 0
    assert abs(ours @ theirs) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(matrix_from_quaternion(ours * 3.0), rotation.as_matrix(), atol=1e-12)


@pytest.mark.parametrize("xyzw", [[0, 0, 0, 0], [0, 0, 0, np.nan], [np.inf, 0, 0, 1], [0, 0, 1]])
def test_a_quaternion_that_is_none_is_refused(xyzw: list[float]) -> None:
    with pytest.raises(InputError, match="quaternion"):
        matrix_from_quaternion(xyzw)


def test_a_quaternion_of_a_noisy_matrix_is_near() -> None:
    rotation = Rotation.from_euler("xyz", [0.3, -1.2, 2.5])
    noisy = rotation.as_matrix() + np.random.default_rng(0).normal(0, 1e-4, (3, 3))
    assert abs(quaternion_from_matrix(noisy) @ rotation.as_quat()) > 1 - 1e-7


@given(poses(), poses(), poses(), vectors)
def test_poses_are_a_group_that_moves_points(a: Pose, b: Pose, c: Pose, point: Array) -> None:
    assert_same((a @ b) @ c, a @ (b @ c))
    assert_same(a @ a.inverse(), Pose.identity(), 1e-10)
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, atol=1e-9)
    np.testing.assert_allclose(a.inverse().matrix, np.linalg.inv(a.matrix), atol=1e-9)
    moved = (a.matrix @ np.append(point, 1.0))[:3]
    np.testing.assert_allclose(a.apply(point[None]), moved[None], atol=1e-9)
    np.testing.assert_allclose(a.inverse().apply(a.apply(point[None])), point[None], atol=1e-8)


def test_no_thread_spins_after_many_points_were_moved() -> None:
    """Idle threads of OpenBLAS wait for the next product of matrices at full load, if the last one was large."""
    pose, points = (
        Pose.from_rotvec([0.3, -0.2, 0.5], [1.0, 2.0, 3.0]),
        np.random.default_rng(0).normal(size=(100000, 3)),
    )
    time.sleep(0.3)  # threads of earlier tests
    moved, before = pose.apply(points), time.process_time()
    time.sleep(0.1)
    assert time.process_time() - before < 0.02
    np.testing.assert_allclose(moved[::9999], [pose.apply(points[k : k + 1])[0] for k in range(0, len(points), 9999)])


def test_apply_takes_float32_and_no_points() -> None:
    pose = Pose.from_rotvec([0, 0, np.pi / 2], [1, 2, 3])
    moved = pose.apply(np.array([[1, 0, 0], [0, 1, 0]], np.float32))
    np.testing.assert_allclose(moved, [[1, 3, 3], [0, 2, 3]], atol=1e-12)
    assert pose.apply(np.zeros((0, 3))).shape == (0, 3)


@given(rotvecs(), vectors)
def test_exp_is_the_matrix_exponential(theta: Array, rho: Array) -> None:
    twist = np.zeros((4, 4))
    twist[:3, :3], twist[:3, 3] = skew(theta), rho
    np.testing.assert_allclose(Pose.exp(np.concatenate([rho, theta])).matrix, expm(twist), atol=1e-9)


@given(rotvecs(np.pi - 1e-3), vectors)
def test_log_undoes_exp(theta: Array, rho: Array) -> None:
    xi = np.concatenate([rho, theta])
    np.testing.assert_allclose(Pose.exp(xi).log(), xi, atol=1e-6)


@given(poses(), rotvecs(np.pi - 1e-3), vectors)
def test_local_undoes_retract(pose: Pose, theta: Array, dt: Array) -> None:
    delta = np.concatenate([dt, theta])
    moved = pose.retract(delta)
    np.testing.assert_allclose(moved.rotation, Rotation.from_rotvec(theta).as_matrix() @ pose.rotation, atol=1e-12)
    np.testing.assert_allclose(moved.translation, pose.translation + dt, atol=1e-9)
    np.testing.assert_allclose(pose.local(moved), delta, atol=1e-8)
    np.testing.assert_allclose(pose.local(pose), np.zeros(6), atol=1e-7)


@given(poses())
def test_the_jacobian_of_the_inverse_is_that_of_differences(pose: Pose) -> None:
    step, inverse = 1e-5, pose.inverse()
    ahead, behind = ([inverse.local(pose.retract(d).inverse()) for d in s * np.eye(6)] for s in (step, -step))
    differences = (np.array(ahead) - np.array(behind)).T / (2 * step)
    np.testing.assert_allclose(pose.inverse_jacobian, differences, atol=1e-5)
    np.testing.assert_allclose(inverse.inverse_jacobian @ pose.inverse_jacobian, np.eye(6), atol=1e-9)


@given(poses())
def test_matrix_and_quaternion_go_back(pose: Pose) -> None:
    assert_same(Pose.from_matrix(pose.matrix), pose)
    assert_same(Pose.from_matrix(pose.matrix[:3]), pose)
    assert_same(Pose.from_quaternion(pose.quaternion, pose.translation), pose)


def test_a_rounded_matrix_becomes_orthonormal() -> None:
    matrix = np.round(Rotation.from_euler("xyz", [0.3, -0.2, 1.5]).as_matrix(), 4)
    pose = Pose.from_matrix(np.column_stack([matrix, [1, 2, 3]]))
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(pose.rotation, matrix, atol=1e-4)


@pytest.mark.parametrize(
    ("rotation", "translation", "match"),
    [
        (np.eye(4), np.zeros(3), "got \\(4, 4\\)"),
        (np.eye(3), np.zeros((3, 1)), "\\(3, 1\\)"),
        (np.eye(3), [0, 0, np.nan], "finite"),
        (np.full((3, 3), np.inf), np.zeros(3), "finite"),
        (np.diag([1, 1, -1]), np.zeros(3), "orthonormal"),
        (1.01 * np.eye(3), np.zeros(3), "orthonormal"),
        (np.zeros((3, 3)), np.zeros(3), "orthonormal"),
    ],
)
def test_what_is_no_pose_is_refused(rotation: Array, translation: Array, match: str) -> None:
    with pytest.raises(InputError, match=match):
        Pose(rotation, translation)


def test_a_matrix_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(3, 4\) or \(4, 4\), got \(3, 3\)"):
        Pose.from_matrix(np.eye(3))


def test_a_pose_cannot_be_changed_and_keeps_no_view() -> None:
    rotation, translation = np.eye(3), np.zeros(3)
    pose = Pose(rotation, translation)
    translation[0] = 5.0
    assert pose.translation[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        pose.rotation[0, 0] = 2.0
    with pytest.raises(AttributeError):
        pose.rotation = rotation  # type: ignore[misc]
    pose.matrix[0, 0] = 2.0  # a copy
    assert pose.rotation[0, 0] == 1.0

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels of the cloud side agree with references in plain NumPy."""

import numpy as np
import pytest

from i2p_ros.alignment.cloud_kernels import orthonormalized
from i2p_ros.alignment.patches import MIN_DEPTH, seen_from
from i2p_ros.alignment.signals import HIDDEN
from i2p_ros.core.camera import Camera
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import PointCloud

RNG = np.random.default_rng(0)
CAMERA = Camera(300.0, 310.0, 250.0, 80.0, 512, 160)
POSE = Pose.from_rotvec([1.2, -1.2, 1.2], [0.3, -0.2, 0.5])
SETTINGS = RefinementSettings()


@pytest.mark.parametrize("about_camera", [False, True])
def test_points_in_view_are_those_that_the_camera_projects_into_the_image(about_camera: bool) -> None:
    xyz = RNG.uniform([-40.0, -40.0, -5.0], [40.0, 40.0, 5.0], (5000, 3)).astype(np.float32)
    xyz[::50] = [np.nan, np.inf, 1.0]
    cloud = PointCloud(xyz, RNG.random(len(xyz), np.float32))
    found = seen_from(cloud, POSE, CAMERA, SETTINGS, about_camera)

    placed = POSE.apply(xyz.astype(np.float64))
    pixels, _ = CAMERA.project(placed)
    edge = SETTINGS.border * CAMERA.width
    with np.errstate(invalid="ignore"):
        inside = (pixels > edge).all(axis=1) & (pixels < np.array([512, 160]) - 1.0 - edge).all(axis=1)
        inside &= placed[:, 2] > MIN_DEPTH
    assert 100 < inside.sum() < 4900
    assert cloud.intensity is not None
    assert found.intensity is not None
    np.testing.assert_array_equal(found.intensity, cloud.intensity[inside])
    np.testing.assert_allclose(found.pixels, pixels[inside], atol=1e-4)
    np.testing.assert_allclose(found.rays + found.translation, placed[inside], atol=1e-5)
    assert np.array_equal(found.translation, np.zeros(3) if about_camera else POSE.translation)


def test_a_cloud_that_is_read_only_or_in_another_order_of_memory_gives_the_same_points() -> None:
    xyz = RNG.uniform([-40.0, -40.0, -5.0], [40.0, 40.0, 5.0], (500, 3)).astype(np.float32)
    expected = seen_from(PointCloud(xyz), POSE, CAMERA, SETTINGS)
    frozen = xyz.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(xyz), np.repeat(xyz, 2, axis=0)[::2]):
        found = seen_from(PointCloud(other), POSE, CAMERA, SETTINGS)
        np.testing.assert_array_equal(found.rays, expected.rays)
    assert len(expected.rays) > 10


def test_rows_are_orthonormal_as_the_reference_makes_them() -> None:
    bounds = np.array([[0, 30], [30, 41], [41, 100]])
    rows = RNG.standard_normal((5, 100))
    rows[0] = 1.0
    rows[2, 30:41] = 2.0 * rows[1, 30:41] - 1.0  # a combination of the rows before
    regressed = np.array([0, 1, 2, 3, 2])
    expected = reference(rows, bounds, regressed)
    orthonormalized(rows, bounds, regressed, 1e-6)
    np.testing.assert_allclose(rows, expected, atol=1e-9)
    assert not rows[2, 30:41].any() and rows[2, :30].any()


def reference(rows: Array, bounds: Array, regressed: Array) -> Array:
    """Rows by projections onto those before, patch after patch."""
    out = np.zeros_like(rows)
    for start, end in bounds:
        for r, row in enumerate(rows[:, start:end]):
            before = out[: regressed[r], start:end]
            rest = row - before.T @ (before @ row)
            rest = rest - before.T @ (before @ rest)
            if rest @ rest > 1e-6 * (row @ row):
                out[r, start:end] = rest / np.linalg.norm(rest)
    return out


def test_points_that_nearer_ones_hide_are_left_out() -> None:
    """A near board before a wall, against a search of the nearest point of each cell."""
    rng = np.random.default_rng(3)
    wall = rng.uniform([-3, -2, 5.0], [3, 2, 5.05], (4000, 3))
    board = rng.uniform([-1, -1, 2.0], [1, 1, 2.1], (2000, 3))
    cloud = PointCloud(np.concatenate([wall, board]).astype(np.float32), rng.random(6000, np.float32))
    points = seen_from(cloud, Pose.identity(), CAMERA, SETTINGS, about_camera=True)
    width = CAMERA.width / 32
    seen = points.unhidden(width)
    depth, cells = points.rays[:, 2], np.floor(points.pixels / width)
    nearest = np.array([depth[(cells == cell).all(axis=1)].min() for cell in cells])
    kept = depth <= HIDDEN[0] * nearest + HIDDEN[1]
    assert 0.2 < kept.mean() < 0.95
    np.testing.assert_array_equal(seen.rays, points.rays[kept])
    np.testing.assert_array_equal(seen.pixels, points.pixels[kept])
    assert seen.intensity is not None and points.intensity is not None
    np.testing.assert_array_equal(seen.intensity, points.intensity[kept])

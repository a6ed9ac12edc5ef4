# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Normals of points: of planes and of a corner, on the side of the origin, and none where they are not known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from i2p_ros.core.normals import CELL, SurfaceNormals, facing

NOISE = 0.003  # m


def plane(normal: list[float], away: float, n: int = 6000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noisy points of 2 m x 2 m of a plane that is `away` from the origin, and its unit normal."""
    unit = np.array(normal) / np.linalg.norm(normal)
    across = np.linalg.svd(unit[None])[2][1:]
    rng = np.random.default_rng(0)
    points = away * unit + rng.uniform(-1.0, 1.0, (n, 2)) @ across
    return points + NOISE * rng.standard_normal((n, 1)) * unit, unit


@pytest.mark.parametrize("normal", [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.3, -1.0, 0.4]])
@pytest.mark.parametrize("away", [2.0, 4e4])
def test_normals_of_a_plane_are_on_the_side_of_the_origin(normal: list[float], away: float) -> None:
    points, unit = plane(normal, away)
    found = facing(SurfaceNormals(points).at(points), points)
    off = np.degrees(np.arccos(np.clip(-found @ unit, -1.0, 1.0)))
    assert np.median(off) < 5.0 and np.quantile(off, 0.95) < 20.0


def test_the_normals_of_a_floor_and_a_wall_differ() -> None:
    floor, up = plane([0.0, 0.0, 1.0], -1.5)
    wall, ahead = plane([1.0, 0.0, 0.0], 3.0)
    both = np.concatenate([floor, wall])
    normals = SurfaceNormals(both)
    assert np.median(np.abs(normals.at(floor) @ up)) > 0.99
    assert np.median(np.abs(normals.at(wall) @ ahead)) > 0.99


def test_they_turn_with_the_points() -> None:
    points, unit = plane([0.3, -1.0, 0.4], 2.0)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    turned = points @ quarter.T
    found = facing(SurfaceNormals(turned).at(turned), turned)
    assert np.median(found @ (quarter @ unit)) < -0.99


def test_too_few_points_have_none() -> None:
    lonely = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 50 * CELL, 1.0]])
    assert not SurfaceNormals(lonely).at(lonely).any()
    points, _ = plane([0.0, 0.0, 1.0], 2.0)
    assert not SurfaceNormals(points).at(points + np.array([0.0, 0.0, 1.0])).any(), "where there are no points"


def test_no_points_and_very_far_ones_are_no_error() -> None:
    nothing = np.zeros((0, 3), np.float32)
    assert SurfaceNormals(nothing).at(nothing).shape == (0, 3)
    assert SurfaceNormals(nothing).at(np.ones((2, 3))).shape == (2, 3)
    far = np.array([[1e30, -1e30, 0.0], [0.0, 0.0, 1.0]])
    assert np.isfinite(SurfaceNormals(far).at(far)).all()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kernel of the descriptor likelihood agrees with a reference in plain NumPy."""

import numpy as np
import pytest
from helpers.descriptors import similarity_of
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.search.likelihood import MIN_IN_VIEW, NO_SIMILARITY, DescriptorLikelihood

CAMERA = Camera(30.0, 30.0, 20.0, 7.5, 40, 16)
RNG = np.random.default_rng(0)
OFFSET = np.array([1000.0, -500.0, 20.0])  # far from the origin
POINTS = OFFSET + RNG.uniform([-8.0, -3.0, -2.0], [8.0, 3.0, 20.0], (500, 3))
CENTRE = Pose(np.eye(3), -OFFSET)


def likelihood(points: Array = POINTS, camera: Camera = CAMERA) -> DescriptorLikelihood:
    values = RNG.uniform(-1.0, 1.0, (len(points), camera.width * camera.height)).astype(np.float32)
    return DescriptorLikelihood(similarity_of(points, values, camera), 100.0)


def reference(given: DescriptorLikelihood, pose: Pose) -> float:
    """Mean similarity of a pose, point by point."""
    camera, found = given.similarity.camera, list[float]()
    cells: NDArray[np.float32] = given.similarity.values.reshape(-1, camera.height, camera.width)
    for (x, y, z), similarity in zip(pose.apply(given.similarity.points), cells, strict=True):
        u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        if z > 0.5 and 0 <= u < camera.width - 1 and 0 <= v < camera.height - 1:
            (i, a), (j, b) = divmod(u, 1.0), divmod(v, 1.0)
            square = similarity[int(j) :, int(i) :][:2, :2].astype(np.float64)
            found.append(float(np.array([1 - b, b]) @ square @ np.array([1 - a, a])))
    return float(np.mean(found)) if len(found) >= MIN_IN_VIEW else NO_SIMILARITY


def test_the_mean_similarity_of_poses_is_that_of_the_reference() -> None:
    given = likelihood()
    poses = [Pose.identity().retract(0.1 * RNG.standard_normal(6)) @ CENTRE for _ in range(20)]
    found = (given.log_posteriors(poses) / given.sharpness).tolist()
    assert len(set(found)) == len(found)
    assert found == pytest.approx([reference(given, pose) for pose in poses], abs=1e-5)


def test_a_pose_that_looks_away_has_no_similarity() -> None:
    turned = Pose(np.diag([-1.0, 1.0, -1.0]), np.zeros(3)) @ CENTRE
    assert likelihood().mean_similarity(Pose(turned.rotation, turned.translation - [0.0, 0.0, 30.0])) == NO_SIMILARITY


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 16), (40, 1)])
def test_an_image_of_one_row_or_column_of_cells_has_no_similarity(width: int, height: int) -> None:
    camera = Camera(30.0, 30.0, width / 2, height / 2, width, height)
    assert likelihood(camera=camera).mean_similarity(CENTRE) == NO_SIMILARITY

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses that are drawn about a viewpoint and scored by the descriptor likelihood.

In a room few matches are right at first, and often none of their poses is near the true one. The likelihood still has
its maximum there. Drawing finds it, since a fragment tells roughly from where it was measured.
"""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import Array, Pose, distinct_poses, so3_exp_many, to_camera_axes
from i2p_ros.core.types import Prior
from i2p_ros.search.likelihood import SAMPLED_POINTS, DescriptorLikelihood

DRAWN = 4096  # poses, of the viewpoint's distribution
SEEDS, N_PER_SEED = 128, 16  # the best of them, and the poses that are drawn about each
COMPARED = 400  # of all these, by all points
MOST = 8  # poses that are kept
ALIKE_STDS = 2.0  # a pose less than so many deviations of the search from a better one is left out


def drawn_poses(likelihood: DescriptorLikelihood, viewpoint: Prior) -> list[Pose]:
    """The likeliest of many poses T_camera_lidar, no two alike, the best first.

    Poses are drawn from a Gaussian about the viewpoint, and then from one about each of the best, with the deviations
    of the search.
    """
    rng, pose = np.random.default_rng(0), viewpoint.pose
    root = np.linalg.cholesky(to_camera_axes(pose, viewpoint.covariance))
    drawn = _moved(pose.rotation[None], pose.inverse().translation[None], rng.standard_normal((DRAWN, 6)) @ root.T)
    R, centre = (np.repeat(part, N_PER_SEED, axis=0) for part in _best(likelihood, *drawn, SEEDS, SAMPLED_POINTS))
    again = _moved(R, centre, rng.standard_normal((len(R), 6)) * likelihood.search_std)
    R, centre = (np.concatenate(parts) for parts in zip(drawn, again, strict=True))
    R, centre = _best(likelihood, *_best(likelihood, R, centre, COMPARED, SAMPLED_POINTS), COMPARED)
    alike = ALIKE_STDS * np.array(likelihood.search_std)
    return distinct_poses((Pose(one, -one @ at) for one, at in zip(R, centre, strict=True)), alike[0], alike[3], MOST)


def _moved(rotations: Array, centres: Array, deltas: Array) -> tuple[Array, Array]:
    """Rotations (K, 3, 3) and centres (K, 3) of cameras after deltas (K, 6) about them, along their axes."""
    moved = so3_exp_many(deltas[:, 3:]) @ rotations
    return moved, centres - np.einsum("kji,kj->ki", moved, deltas[:, :3])


def _best(
    likelihood: DescriptorLikelihood, rotations: Array, centres: Array, most: int, points: int | None = None
) -> tuple[Array, Array]:
    """The likeliest of K poses, at most so many, the best first: by some of the points, or by all."""
    translations = -np.einsum("kij,kj->ki", rotations, centres)
    order = np.argsort(-likelihood.log_posteriors_at(rotations, translations, points), kind="stable")[:most]
    return rotations[order], centres[order]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses about a place, in all headings, at which image and cloud have much information about each other.

They need neither matches nor a guess of the heading. Where a street looks strange to the matching network, the right
pose is often among them. They are proposals: the most information of all may be at a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from i2p_ros.alignment.objective import Objective, distinct
from i2p_ros.alignment.pair import (
    COARSE_SHARE,
    NATS_PER_MEASUREMENT,
    STEPS_PER_LEVEL,
    drawn_starts,
    sampled_signals,
    searched_levels,
)
from i2p_ros.alignment.patches import seen_from
from i2p_ros.alignment.pyramid import ImagePyramid
from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose, distinct_poses, so3_exp
from i2p_ros.core.types import Pair

HEADINGS = 24
STDS = 0.7, 0.2, 0.7, 0.026, 0.12, 0.026  # m, rad, camera axes: of the drifts that are drawn about a heading
DRAWN = 200  # drifts of each heading
DRAWN_NEAR = 1500  # drifts about one pose
ASCENDING = 2  # the best of these, which move to the local maxima near them
LEAST_WIDTH = 0.5  # of the least width of images in which a refinement begins
LEAST_VARIANCE = 1e-8  # m^2, rad^2
ALIKE = 0.5, np.radians(4.0)  # m, rad: of nearer poses the better one is kept
FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # of a level camera that looks along x


def poses_around(
    place: Array, first: Pose, pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, most: int,
    both: Both = in_turn,
) -> list[Pose]:  # fmt: skip
    """Poses T_camera_lidar near a place (3,) of the cloud, m, whose z axis points up: the most information first, no
    two alike, at most so many. The camera is about level.

    Each of HEADINGS is searched as `refine_pair` searches its coarse levels, with the same part of the points, but from
    smaller images. The headings begin with that of the pose `first`, so the answer turns with the cloud.
    """
    x, y, _ = first.rotation[2]
    headings = np.arctan2(y, x) + 2.0 * np.pi / HEADINGS * np.arange(HEADINGS)
    nominal = [_level_camera(place, heading) for heading in headings.tolist()]
    root = np.diag(STDS)
    search = partial(_best_of_each, pair=pair, pyramid=pyramid, settings=settings, root=root, drawn=DRAWN, most=1)
    one, other = both(partial(search, nominal[::2]), partial(search, nominal[1::2]))
    return _most_informed([*one, *other], most)


def poses_near(
    pose: Pose, spread: Array, pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, most: int
) -> list[Pose]:
    """The same near a pose, whose delta about its camera has the covariance `spread` (6, 6), m and rad, along camera
    axes."""
    values, vectors = np.linalg.eigh(spread)  # not all are positive after rounding, where the origin is far away
    positive = (vectors * np.maximum(values, LEAST_VARIANCE)) @ vectors.T
    root = np.asarray(np.linalg.cholesky(positive).T, np.float64)
    return _most_informed(_best_of_each([pose], pair, pyramid, settings, root, DRAWN_NEAR, 2 * most), most)


def _level_camera(place: Array, heading: float) -> Pose:
    """T_camera_lidar of a level camera at a place, turned by a heading, rad."""
    rotation = so3_exp([0.0, heading, 0.0]) @ FORWARD
    return Pose(rotation, -rotation @ place)


def _most_informed(found: Sequence[tuple[float, Pose]], most: int) -> list[Pose]:
    ranked = sorted(found, key=lambda one: -one[0])
    return distinct_poses((pose for _, pose in ranked), *ALIKE, most)


def _best_of_each(
    nominal: Sequence[Pose], pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, root: Array, drawn: int,
    most: int,
) -> list[tuple[float, Pose]]:  # fmt: skip
    """The mutual information, nats, and the poses of the best drifts about each pose that has points in view.

    So many are drawn with the covariance root.T @ root.
    """
    least_width = round(LEAST_WIDTH * settings.min_width)
    prior = np.asarray(COARSE_SHARE * NATS_PER_MEASUREMENT * np.linalg.inv(root.T @ root), np.float64)
    found: list[tuple[float, Pose]] = []
    for pose in nominal:
        points = seen_from(pair.cloud, pose, pyramid.camera, settings, about_camera=True)
        few = sampled_signals(points, settings, COARSE_SHARE, pyramid)
        if few.is_empty:
            continue
        (coarsest, *finer) = (Objective([few], prior, level) for level in searched_levels(pyramid, least_width))
        rng = np.random.default_rng(0)
        random = np.vstack([np.zeros(6), rng.standard_normal((drawn, 6)) @ root])
        drifts = coarsest.best(drawn_starts(coarsest, random, root, rng), max(most, ASCENDING))
        for objective in (coarsest, *finer):
            drifts = objective.best(distinct(objective.ascended(drifts, STEPS_PER_LEVEL)), max(most, ASCENDING))
        nats = objective.information(np.array(drifts))
        best = np.argsort(-nats)[:most]
        found += [(float(nats[k]), Pose.identity().retract(drifts[k]) @ pose) for k in best]
    return found

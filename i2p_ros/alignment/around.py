# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses about a place, in all headings, at which image and cloud have much information about each other.

They need neither matches nor a guess of the heading. Where a street looks strange to the matching network, the right
pose is often among them. They are proposals: the most information of all may be at a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from i2p_ros.alignment.objective import Objective, distinct
from i2p_ros.alignment.pair import (
    COARSE_SHARE,
    NATS_PER_MEASUREMENT,
    STEPS_PER_LEVEL,
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
HEADINGS_KEPT = 18
STDS = 0.7, 0.2, 0.7, 0.026, 0.12, 0.026  # m, rad, camera axes: of the drifts that are drawn about a heading
DRAWN = 400  # drifts of each heading
DRAWN_NEAR = 1500  # drifts about one pose
ASCENDING = 2  # the best of these, which move to the local maxima near them
LEAST_WIDTH = 0.5  # of the least width of images in which a refinement begins
LEAST_VARIANCE = 1e-8  # m^2, rad^2
ALIKE = 0.5, np.radians(4.0)  # m, rad: of nearer poses the better one is kept
FORWARD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # of a level camera that looks along x


@dataclass(frozen=True)
class _Start:
    """Drifts about a pose, the best first, and the objective on levels of the images, the coarsest first. `nats` is
    the mutual information of the best one on the coarsest level."""

    pose: Pose
    levels: Sequence[Objective]
    drifts: Sequence[Array]
    nats: float


def poses_around(
    place: Array, first: Pose, pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, most: int,
    both: Both = in_turn,
) -> list[Pose]:  # fmt: skip
    """Poses T_camera_lidar near a place (3,) of the cloud, m, whose z axis points up: the most information first, no
    two alike, at most so many. The camera is about level.

    Random drifts about each of HEADINGS are compared on small images, with the part of the points that `refine_pair`
    takes on its coarse levels. About the best HEADINGS_KEPT the best of them move to the local maxima near them. The
    headings begin with that of the pose `first`, so the answer turns with the cloud.
    """
    x, y, _ = first.rotation[2]
    headings = np.arctan2(y, x) + 2.0 * np.pi / HEADINGS * np.arange(HEADINGS)
    nominal = [_level_camera(place, heading) for heading in headings.tolist()]
    root = np.diag(STDS)
    start = partial(_starts, pair=pair, pyramid=pyramid, settings=settings, root=root, drawn=DRAWN, most=ASCENDING)
    starts = both(partial(start, nominal[::2]), partial(start, nominal[1::2]))
    best = sorted([*starts[0], *starts[1]], key=lambda each: -each.nats)[:HEADINGS_KEPT]
    found = both(partial(_ascended, best[::2], 1), partial(_ascended, best[1::2], 1))
    return _most_informed([*found[0], *found[1]], most)


def poses_near(
    pose: Pose, spread: Array, pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, most: int
) -> list[Pose]:
    """The same near a pose, whose delta about its camera has the covariance `spread` (6, 6), m and rad, along camera
    axes."""
    values, vectors = np.linalg.eigh(spread)  # not all are positive after rounding, where the origin is far away
    positive = (vectors * np.maximum(values, LEAST_VARIANCE)) @ vectors.T
    root = np.asarray(np.linalg.cholesky(positive).T, np.float64)
    starts = _starts([pose], pair, pyramid, settings, root, DRAWN_NEAR, 2 * most)
    return _most_informed(_ascended(starts, 2 * most), most)


def _level_camera(place: Array, heading: float) -> Pose:
    """T_camera_lidar of a level camera at a place, turned by a heading, rad."""
    rotation = so3_exp([0.0, heading, 0.0]) @ FORWARD
    return Pose(rotation, -rotation @ place)


def _most_informed(found: Sequence[tuple[float, Pose]], most: int) -> list[Pose]:
    ranked = sorted(found, key=lambda one: -one[0])
    return distinct_poses((pose for _, pose in ranked), *ALIKE, most)


def _starts(
    nominal: Sequence[Pose], pair: Pair, pyramid: ImagePyramid, settings: RefinementSettings, root: Array, drawn: int,
    most: int,
) -> list[_Start]:  # fmt: skip
    """The best of random drifts about each pose that has points in view, by the coarsest level.

    So many are drawn with the covariance root.T @ root.
    """
    least_width = round(LEAST_WIDTH * settings.min_width)
    prior = np.asarray(COARSE_SHARE * NATS_PER_MEASUREMENT * np.linalg.inv(root.T @ root), np.float64)
    random = np.random.default_rng(0).standard_normal((drawn, 6)) @ root
    starts: list[_Start] = []
    for pose in nominal:
        points = seen_from(pair.cloud, pose, pyramid.camera, settings, about_camera=True)
        few = sampled_signals(points, settings, COARSE_SHARE, pyramid)
        if few.is_empty:
            continue
        levels = [Objective([few], prior, level) for level in searched_levels(pyramid, least_width)]
        drifts = levels[0].raced(np.vstack([np.zeros(6), random]), most)
        starts.append(_Start(pose, levels, drifts, float(levels[0].information(np.array(drifts[:1]))[0])))
    return starts


def _ascended(starts: Sequence[_Start], most: int) -> list[tuple[float, Pose]]:
    """The mutual information, nats, and the poses of the best local maxima near each start, on finer and finer
    levels."""
    found: list[tuple[float, Pose]] = []
    for start in starts:
        drifts = start.drifts
        for objective in start.levels:
            drifts = objective.best(distinct(objective.ascended(drifts, STEPS_PER_LEVEL)), len(start.drifts))
        nats = objective.information(np.array(drifts))
        found += [(float(nats[k]), Pose.identity().retract(drifts[k]) @ start.pose) for k in np.argsort(-nats)[:most]]
    return found

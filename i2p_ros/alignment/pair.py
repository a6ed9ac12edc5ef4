# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pose of one pair, made exact: of what a network believes possible, where image and cloud say most of each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.alignment.search import Search, unlike
from i2p_ros.alignment.signal import Frame, View, observed
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair

TEMPER = 20.0  # nats that count as one: points are no independent measurements, neighbours share what is wrong
COARSEST = 250  # px, about, of the image that is searched first: on smaller ones a real street shows wrong summits
DRAWN, PROMISING, NEARBY, NEAR = 320, 16, 20, 0.35  # poses that are looked at; near each of the best, so many more
CLIMBED, STEPS = 16, 4  # how many of all these climb, and how far
FOLLOWED = 6  # summits that are followed to finer images
COMPARED = 96  # drawn poses that the summit must stand out from
SEPARATE = 3.0  # deviations between two summits: else they are one


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """`pose` is T_camera_lidar; `covariance` (6, 6) of its delta about the camera, along its axes, m and rad.

    `standout` is by how many deviations the information at the pose is above the mean of that at poses drawn about the
    first one: a wrong place has no summit worth the name.
    """

    pose: Pose
    covariance: Array
    standout: float


def aligned(pair: Pair, view: View, pose: Pose, spread: Array, settings: RefinementSettings) -> Aligned | None:
    """The pose near T_camera_lidar `pose`, whose delta about the camera has the covariance `spread` (6, 6), at which
    image and cloud say most of each other; None where they say nothing, as in a plain view without intensity and order
    of the scan.

    Their information, of which every TEMPER nats count as one, and the spread give a log posterior. The search draws
    from the spread, then near the best of what it drew, and climbs from the best on finer and finer images. The
    covariance is about the pose and of all summits that were found, each as likely as it is high (Laplace's
    approximation): where several explain the image about as well, it holds them all.
    """
    settings = settings.model_copy(update={"max_points": settings.pair_points})
    frame = observed(replace(pair, cloud=pair.cloud.transformed(pose)), Pose.identity(), settings, view)
    if frame.silent:
        return None
    prior = np.asarray(TEMPER * np.linalg.inv(spread), np.float64)
    searches = [Search([frame], np.zeros(3), prior, level) for level in _levels(frame)]
    rng, root = np.random.default_rng(0), np.linalg.cholesky(spread).T
    drawn = np.vstack([np.zeros(6), rng.standard_normal((DRAWN, 6)) @ root])
    promising = searches[0].best(drawn, PROMISING)
    nearby = np.repeat(promising, NEARBY, axis=0) + NEAR * rng.standard_normal((len(promising) * NEARBY, 6)) @ root
    summits, most = searches[0].best([*promising, *nearby], CLIMBED), 2 * FOLLOWED
    for search in searches[:-1]:
        summits, most = search.best(unlike(search.climbed(drift, STEPS) for drift in summits), most), FOLLOWED
    finest = searches[-1]
    best = finest.climbed(finest.best(summits)[0], settings.iterations)
    nats = finest.information(np.vstack([best, drawn[:COMPARED]]))
    standout = float((nats[0] - nats[1:].mean()) / max(nats[1:].std(), 1.0))
    return Aligned(Pose.identity().retract(best) @ pose, _covariance(finest, best, summits), standout)


def _levels(frame: Frame) -> list[int]:
    """Of its images, those that are searched, the finest last."""
    wide = [level for level, image in enumerate(frame.view.levels) if image.shape[2] >= COARSEST]
    return wide[::-1] or [0]


def _covariance(finest: Search, best: Array, summits: list[Array]) -> Array:
    """(6, 6) second moment about the best of a mixture of Gaussians, each as wide as the best."""
    narrow = (finest.terms(best).curvature + finest.prior) / TEMPER
    wide = np.linalg.inv(narrow)
    apart = np.array([summit - best for summit in summits])
    others = np.einsum("ki,ij,kj->k", apart, narrow, apart) > SEPARATE**2
    apart = np.vstack([np.zeros(6), apart[others]])
    worth = finest.worth(best + apart) / TEMPER
    weights = np.exp(np.minimum(worth - worth[0], 0.0))
    return np.asarray(wide + np.einsum("k,ki,kj->ij", weights / weights.sum(), apart, apart))

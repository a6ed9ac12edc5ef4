# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration of largest mutual information over all pairs, its covariance, and how well halves repeat it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from i2p_ros.alignment.objective import Objective
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.pyramid import ImagePyramid
from i2p_ros.alignment.window import Drift, refine_window
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair

ROUNDS = 5  # most refinements, each about the pose of the one before
REFINEMENT_STEPS = 4  # that one refinement usually takes: two rounds, and two pairs of halves
SETTLED = np.repeat([0.003, np.radians(0.02)], 3)  # m, rad: a refinement that moves the pose by less is the last
MAX_STARTS = 4  # beside the pose itself
N_DRAWN = 32  # deltas that the standout is relative to


@dataclass(frozen=True, slots=True, eq=False)
class SeenPair:
    """A pair and the pyramid of its image: plain, or of predicted signals."""

    pair: Pair
    pyramid: ImagePyramid


@dataclass(frozen=True, slots=True, eq=False)
class RigEstimate:
    """T_camera_lidar `pose` with the covariance (6, 6) of its delta, as of `Pose.retract`, m and rad.

    `halves` (6,) are the differences of the calibrations of two halves, per axis the larger one of interleaved and of
    successive halves. `evidence` (C, 3) holds the row, column and nats of each cell of the image. `nats` is the mutual
    information a pair.
    """

    pose: Pose
    covariance: Array
    halves: Array
    evidence: Array
    nats: float
    standout: float


def refined(
    pairs: Sequence[SeenPair], starts: Sequence[Pose], settings: RefinementSettings, inflation: float,
    progress: Callable[[], None] = lambda: None,
) -> RigEstimate:  # fmt: skip
    """The local maximum of the mutual information of all pairs that is reached from T_camera_lidar `starts`, of which
    the first is the most likely. At least 4 pairs are needed, so that each half has two.

    `inflation` is the factor on the variance of a window estimate. Half the difference of the maxima of two halves has
    the variance of their mean, so the variance of an axis is never below the mean square of these. For it the maxima
    near the pose count. For `halves` the calibration of each half is searched anew, on all levels.
    """
    pose, drift = _settled(pairs, starts, settings, progress)
    signals, half = _signals(pairs, pose, settings), len(pairs) // 2
    searched, nearest = [], []
    for one, other in ((signals[::2], signals[1::2]), (signals[:half], signals[half:])):
        searched.append(refine_window(one, settings).delta - refine_window(other, settings).delta)
        nearest.append(_ascended(one, settings) - _ascended(other, settings))
        progress()
    covariance = _at_least(inflation * drift.covariance, np.mean(np.square(nearest), axis=0) / 4.0)
    most, nats = np.abs(searched).max(axis=0), drift.information / len(pairs)
    return RigEstimate(pose, covariance, most, drift.evidence, nats, _standout(signals, settings))


def combined(one: RigEstimate, other: RigEstimate, limits: Array) -> RigEstimate:
    """The weighted mean of two estimates from different signals of the same pairs.

    Weights are inverse to the traces of the covariances, in units of `limits` (6,), m and rad. All axes have the same
    weights, so that axes which cannot be told apart stay together. The errors of the estimates are not independent. So
    the covariance is that of a mixture of both, which is an upper bound for any dependence.
    """
    traces = [np.trace(each.covariance / np.outer(limits, limits)) for each in (one, other)]
    share = float(traces[0] / (traces[0] + traces[1]))  # of the other
    apart = one.pose.local(other.pose)
    spread = share * (1.0 - share) * np.outer(apart, apart)
    return RigEstimate(
        one.pose.retract(share * apart),
        (1.0 - share) * one.covariance + share * other.covariance + spread,
        np.maximum(one.halves, other.halves),
        one.evidence,
        one.nats,
        max(one.standout, other.standout),
    )


def information_at(pairs: Sequence[SeenPair], poses: Sequence[Pose], settings: RefinementSettings) -> Array:
    """(K,) mutual information a pair at K poses, nats. The points in view are those of each pose itself."""
    none, prior = np.zeros((1, 6)), np.zeros((6, 6))
    values = [Objective(_signals(pairs, pose, settings), prior, 0).information(none)[0] for pose in poses]
    return np.array(values) / len(pairs)


def _settled(
    pairs: Sequence[SeenPair], starts: Sequence[Pose], settings: RefinementSettings, progress: Callable[[], None]
) -> tuple[Pose, Drift]:
    """The pose at which a refinement of all pairs stays, and that refinement. The points in view, and the prior of the
    refinement, are about the pose of the refinement before."""
    pose, others = starts[0], list(starts[1 : MAX_STARTS + 1])
    for _ in range(ROUNDS):
        starts_here = [pose.local(other) for other in others]
        drift = refine_window(_signals(pairs, pose, settings), settings, starts=starts_here)
        pose, others = pose.retract(drift.delta), []
        progress()
        if (np.abs(drift.delta) < SETTLED).all():
            break
    return pose, drift


def _signals(pairs: Sequence[SeenPair], pose: Pose, settings: RefinementSettings) -> list[PairSignals]:
    return [PairSignals.of(seen.pair, pose, settings, seen.pyramid) for seen in pairs]


def _ascended(signals: Sequence[PairSignals], settings: RefinementSettings) -> Array:
    """The delta (6,) of the local maximum near the pose of the signals, on the finest level."""
    return Objective(signals, np.zeros((6, 6)), 0).ascend(np.zeros(6), settings.iterations)


def _standout(signals: Sequence[PairSignals], settings: RefinementSettings) -> float:
    """See `RigEstimate`. The deltas are drawn with the standard deviations of the refinement's prior."""
    spread = np.repeat([settings.max_m, np.radians(settings.max_deg)], 3)
    drawn = spread * np.random.default_rng(0).standard_normal((N_DRAWN, 6))
    nats = Objective(signals, np.zeros((6, 6)), 0).information(np.vstack([np.zeros(6), drawn]))
    return float((nats[0] - nats[1:].mean()) / max(nats[1:].std(), 1.0))


def _at_least(covariance: Array, variances: Array) -> Array:
    """The covariance with the same correlations, and variances of at least these."""
    own = np.diag(covariance)
    factors = np.sqrt(np.maximum(variances / own, 1.0))
    return np.asarray(covariance * np.outer(factors, factors))

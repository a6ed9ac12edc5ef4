# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pose for all pairs of a rig, from a network and without an initial guess.

A single pair is often ambiguous: a street looks alike in both directions. All pairs of a rig have the same
T_camera_lidar, so the log likelihoods of their descriptors add up, and wrong poses of single pairs do not agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from i2p_ros.core.errors import DeviceMemoryError, InputError, ModelError, NonFiniteError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Pair
from i2p_ros.localizer import Localizer, PreparedPair
from i2p_ros.pnp.calibration import SHARPNESS
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.search import PoseSearch
from i2p_ros.search.hypotheses import TURNED, are_different, are_within, hypotheses
from i2p_ros.search.likelihood import DescriptorLikelihood

MAX_HYPOTHESES = 6  # of one pair, no two alike
MAX_GUESSES = 3  # different poses that all pairs are predicted near
ROUNDS = 2  # of passes near the pose, each about the median of the one before
MIN_MARGIN = 2.0  # nats a pair by which the joint log likelihood must exceed that of any different pose
NEAR_M, NEAR_RAD = 1.5, np.radians(6.0)  # a pair's own pose agrees with the common one within these
MIN_AGREEING = 0.5  # share of the pairs whose own poses must agree
FAILED = 0.0  # score of a pass without a pose


class NoConsensusError(InputError):
    """The pairs do not agree on one pose. The message says how far they do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "calibration.no_consensus")


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """T_camera_lidar `pose` that `agreeing` of `pairs` support by own `poses` near it.

    `margin` is the excess of its joint log likelihood over that of the best different pose, nats a pair.
    """

    pose: Pose
    poses: tuple[Pose, ...]
    agreeing: int
    pairs: int
    margin: float


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """A pair with its prepared scene and the likelihood of a forward pass over its whole cloud."""

    pair: Pair
    prepared: PreparedPair
    likelihood: DescriptorLikelihood
    proposed: list[Pose]


def find_consensus(
    localizer: Localizer, pairs: Sequence[Pair], guesses: Sequence[Pose] = (), step: Callable[[], None] = lambda: None
) -> Consensus:
    """The pose that explains the descriptors of all pairs best.

    Candidates are the hypotheses of each pair, and the `guesses`. All are scored on all pairs. Near the best ones the
    network predicts again. Raises NoConsensusError, and ModelError for a network without descriptors.
    """
    scenes = [scene for pair in pairs if (scene := _scene(localizer, pair)) is not None]
    if len(scenes) < 2:
        raise NoConsensusError(f"the network proposes a pose for {len(scenes)} of {len(pairs)} pairs; 2 are needed")
    ranked, margin = _ranked([*guesses, *(pose for scene in scenes for pose in scene.proposed)], scenes)
    per_guess = []
    for guess in ranked:
        step()
        per_guess.append(_poses_near(localizer, scenes, guess))
    best = max(range(len(ranked)), key=lambda k: sum(score for _, score in per_guess[k]))
    pose = ranked[best]
    for _ in range(ROUNDS):
        found = per_guess[best] if pose is ranked[best] else _poses_near(localizer, scenes, pose)
        own = [each for each, _ in found if each is not None and are_within(each, pose, 2 * NEAR_M, 2 * NEAR_RAD)]
        pose = median_pose(own) if own else pose
    near = tuple(each for each in own if are_within(each, pose, NEAR_M, NEAR_RAD))
    if len(near) < max(2.0, MIN_AGREEING * len(scenes)) or margin < MIN_MARGIN:
        raise NoConsensusError(
            f"no pose explains the pairs: {len(near)} of {len(scenes)} pairs agree with the best, "
            f"whose log likelihood exceeds that of another pose by {margin:.1f} nats a pair ({MIN_MARGIN:g} are needed)"
        )
    return Consensus(pose, near, len(near), len(scenes), margin)


def median_pose(poses: Sequence[Pose]) -> Pose:
    """Median of poses T_camera_lidar, by the coordinates of `Pose.retract` about the pose that is nearest to all."""
    deltas = [np.array([a.local(b) for b in poses]) for a in poses]
    middle = int(np.argmin([np.abs(of_one / _NEAR).sum() for of_one in deltas]))
    return poses[middle].retract(np.median(deltas[middle], axis=0))


_NEAR = np.repeat([NEAR_M, NEAR_RAD], 3)


def _scene(localizer: Localizer, pair: Pair) -> _Scene | None:
    """The scene of a pair with its hypotheses, or None where the network has none."""
    try:
        prepared = localizer.prepare(pair)
        prediction = localizer.predict(prepared)
        if prediction.similarity is None:
            raise ModelError(f"{localizer.name} has no descriptors, which a calibration without a guess needs")
        likelihood = DescriptorLikelihood(prediction.similarity, SHARPNESS)
        found = hypotheses(prediction, pair.camera, localizer.settings.pnp, likelihood)
    except (InputError, NoPoseError, NonFiniteError, DeviceMemoryError):
        return None
    return _Scene(pair, prepared, likelihood, _distinct([h.pose for h in found], MAX_HYPOTHESES))


def _ranked(candidates: Sequence[Pose], scenes: Sequence[_Scene]) -> tuple[list[Pose], float]:
    """The best of the candidates, no two alike, with the best turned by half a turn; and the margin of the best."""
    scores = _joint(candidates, scenes)
    order = np.argsort(-scores, kind="stable")
    best = candidates[order[0]]
    turned = TURNED @ best
    others = [scores[k] for k in order if are_different(candidates[k], best)]
    rival = max([*others, _joint([turned], scenes)[0]])
    distinct = _distinct([candidates[k] for k in order], MAX_GUESSES - 1)
    return _distinct([*distinct, turned], MAX_GUESSES), float(scores[order[0]] - rival) / len(scenes)


def _joint(candidates: Sequence[Pose], scenes: Sequence[_Scene]) -> Array:
    """(K,) sum of the log likelihoods of all pairs."""
    return np.sum([scene.likelihood.log_posteriors(candidates) for scene in scenes], axis=0)


def _distinct(poses: Sequence[Pose], most: int) -> list[Pose]:
    kept: list[Pose] = []
    for pose in poses:
        if len(kept) < most and all(are_different(pose, other) for other in kept):
            kept.append(pose)
    return kept


def _poses_near(localizer: Localizer, scenes: Sequence[_Scene], guess: Pose) -> list[tuple[Pose | None, float]]:
    """The pose of each pair by a forward pass near a guess, with its mean similarity; None where it has none."""
    found: list[tuple[Pose | None, float]] = []
    for scene in scenes:
        result = None
        with suppress(InputError, NonFiniteError, DeviceMemoryError):
            search = PoseSearch(scene.pair.camera, localizer.settings.pnp, localizer.calibration)
            result = search.estimate(localizer.predict(scene.prepared, guess), guess)
        has_pose = result is not None and result.estimate.pose is not None
        found.append((result.estimate.pose, result.score) if result and has_pose else (None, FAILED))
    return found

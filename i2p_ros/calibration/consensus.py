# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pose for all pairs of a rig, from a network and without an initial guess.

A single pair is often ambiguous: a street looks alike in both directions. All pairs of a rig have the same
T_camera_lidar, so the log likelihoods of their descriptors add up, and wrong poses of single pairs do not agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from i2p_ros.core.errors import DeviceMemoryError, InputError, ModelError, NonFiniteError
from i2p_ros.core.geometry import Array, Pose, are_within, distinct_poses
from i2p_ros.core.types import Pair
from i2p_ros.localizer import Localizer, PreparedPair
from i2p_ros.pnp.calibration import SHARPNESS
from i2p_ros.pnp.problem import NoPoseError
from i2p_ros.search.hypotheses import DIFFERENT, TURNED, are_different, hypotheses
from i2p_ros.search.likelihood import DescriptorLikelihood

MAX_HYPOTHESES = 6  # of one pair, no two alike
MAX_GUESSES = 3  # different poses that all pairs are predicted near
ROUNDS = 2  # of passes near the pose, each about the median of the one before
CLEAR_MARGIN = 2.0  # nats a pair: a consensus whose log likelihood exceeds that of all others by more is the only one
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

    `margin` is the excess of their log likelihood near it over that near the best different pose, nats a pair. It is
    negative where another pose is likelier.
    """

    pose: Pose
    poses: tuple[Pose, ...]
    agreeing: int
    pairs: int
    log_likelihood: float  # of a pair, nats
    margin: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """A pair with its prepared scene and the likelihood of a forward pass over its whole cloud."""

    pair: Pair
    prepared: PreparedPair
    likelihood: DescriptorLikelihood
    proposed: list[Pose]


def find_consensus(
    localizer: Localizer, pairs: Sequence[Pair], guesses: Sequence[Pose] = (), step: Callable[[], None] = lambda: None
) -> list[Consensus]:
    """The different poses that the pairs may agree on, the likeliest first. It is one where the margin is clear.

    Candidates are the hypotheses of each pair, and the `guesses`. All are scored on all pairs by the descriptors of the
    whole cloud. The network predicts again near the best ones, which scores them more sharply.
    Raises NoConsensusError, and ModelError for a network without descriptors.
    """
    scenes = [scene for pair in pairs if (scene := _scene(localizer, pair)) is not None]
    if len(scenes) < 2:
        raise NoConsensusError(f"the network proposes a pose for {len(scenes)} of {len(pairs)} pairs; 2 are needed")
    ranked = _ranked([*guesses, *(pose for scene in scenes for pose in scene.proposed)], scenes)
    tried = []
    for guess in ranked:
        step()
        tried.append(_consensus(localizer, scenes, guess))
    best = sorted((_with_margin(one, tried) for one in tried), key=lambda one: one.margin, reverse=True)
    enough = [one for one in best if one.agreeing >= max(2.0, MIN_AGREEING * one.pairs)]
    if not enough:
        most = max(one.agreeing for one in best)
        needed = f"{MIN_AGREEING:.0%} are needed"
        raise NoConsensusError(f"no pose explains the pairs: {most} of {len(scenes)} agree with the best; {needed}")
    return enough[:1] if enough[0].margin >= CLEAR_MARGIN else enough


def _with_margin(one: Consensus, tried: Sequence[Consensus]) -> Consensus:
    """A consensus with its margin over the others."""
    others = [other.log_likelihood for other in tried if are_different(other.pose, one.pose)]
    return replace(one, margin=one.log_likelihood - max(others, default=0.0))


def _consensus(localizer: Localizer, scenes: Sequence[_Scene], guess: Pose) -> Consensus:
    """The median of the poses of single pairs by passes near a guess, then near the median."""
    pose, own = guess, list[Pose]()
    for _ in range(ROUNDS):
        found = _poses_near(localizer, scenes, pose)
        own = [each for each, _ in found if each is not None and are_within(each, pose, 2 * NEAR_M, 2 * NEAR_RAD)]
        pose = median_pose(own) if own else pose
    near = tuple(each for each in own if are_within(each, pose, NEAR_M, NEAR_RAD))
    log_likelihood = SHARPNESS * float(np.mean([score for _, score in found]))
    return Consensus(pose, near, len(near), len(scenes), log_likelihood)


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
        likelihood = DescriptorLikelihood(prediction.similarity, SHARPNESS, search_std=localizer.family.search_std)
        found = hypotheses(prediction, pair.camera, localizer.settings.pnp, likelihood)
    except (InputError, NoPoseError, NonFiniteError, DeviceMemoryError):
        return None
    return _Scene(pair, prepared, likelihood, distinct_poses((h.pose for h in found), *DIFFERENT, MAX_HYPOTHESES))


def _ranked(candidates: Sequence[Pose], scenes: Sequence[_Scene]) -> list[Pose]:
    """The best of the candidates, no two alike, and the best of all turned by half a turn: streets look much alike in
    both directions."""
    order = np.argsort(-_joint(candidates, scenes), kind="stable")
    distinct = distinct_poses((candidates[k] for k in order), *DIFFERENT, MAX_GUESSES)
    turned = TURNED @ distinct[0]
    opposite = any(not are_different(turned, pose) for pose in distinct)
    return distinct if opposite else [*distinct[: MAX_GUESSES - 1], turned]


def _joint(candidates: Sequence[Pose], scenes: Sequence[_Scene]) -> Array:
    """(K,) sum of the log likelihoods of all pairs."""
    return np.sum([scene.likelihood.log_posteriors(candidates) for scene in scenes], axis=0)


def _poses_near(localizer: Localizer, scenes: Sequence[_Scene], guess: Pose) -> list[tuple[Pose | None, float]]:
    """The pose of each pair by a forward pass near a guess, with its mean similarity; None where it has none."""
    found: list[tuple[Pose | None, float]] = []
    for scene in scenes:
        result = None
        with suppress(InputError, NonFiniteError, DeviceMemoryError):
            search = localizer.pose_search(scene.pair.camera)
            result = search.estimate(localizer.predict(scene.prepared, guess), guess)
        has_pose = result is not None and result.estimate.pose is not None
        found.append((result.estimate.pose, result.score) if result and has_pose else (None, FAILED))
    return found

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a model, fitted on pairs with true poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import PoseEstimate
from i2p_ros.evaluation.runner import EvaluatedPair, NetworkAlone, evaluate
from i2p_ros.localizer import Localizer, PreparedPair
from i2p_ros.pnp.calibration import Calibration, Observation, StatedError, fit
from i2p_ros.search import PassResult, PoseSearch

BLOCK = 10  # successive pairs of a recording that the cross-validation leaves out together
LOST_EVERY = 4  # one pair of so many is localized a second time, without the passes near its true pose
LOST_RAD = np.radians(20.0)  # a pass is near it if its rotation is so near


class LostLocalizer(Localizer):
    """A localizer that leaves out the passes near the true pose, so that its answer is wrong.

    It stands for places unlike those of the fit, where no guess is right. The confidence must be low there, too.
    """

    def __init__(self, of: Localizer, truth: Pose) -> None:
        super().__init__(of.family, of.runtime, of.settings, of.name, of.calibration)
        self.truth = truth

    def _pass_near(self, guess: Pose, prepared: PreparedPair, search: PoseSearch) -> PassResult | InputError:
        found = super()._pass_near(guess, prepared, search)
        if isinstance(found, InputError) or found.estimate.pose is None:
            return found
        is_near = np.linalg.norm(found.estimate.pose.local(self.truth)[3:]) < LOST_RAD
        return InputError("all passes are near the true pose") if is_near else found


@dataclass(frozen=True)
class Part:
    """Pairs of a fit, drawn by a protocol and a seed. Parts of one `kind`, such as recordings, weigh as much together
    as those of each other kind."""

    source: Source
    protocol: ProtocolName
    seed: int
    kind: str = ""

    def block(self, index: int) -> str:
        """Name of the block of a pair: synthetic places are independent, unlike successive pairs of a recording."""
        return f"{self.source.name}/{index // BLOCK if self.source.drives else index}"


def calibrated(localizer: Localizer, parts: Sequence[Part], progress: Progress | None = None) -> Calibration:
    """Calibration of a localizer's model, fitted on all pairs of sources that were not used in training. One pair of
    LOST_EVERY takes part a second time, as one that a `LostLocalizer` answers.

    Raises InputError for a source without true poses, and when too few pairs have a pose.
    """
    before = Calibration(sharpness=localizer.calibration.sharpness)
    raw = Localizer(localizer.family, localizer.runtime, localizer.settings, localizer.name, before)
    observed, words, done = list[Observation](), list[str](), 0
    total = sum(len(part.source) for part in parts)

    def step(now: int, _: int) -> None:
        if progress:
            progress(done + now, total)

    for part in parts:
        found = _observed(raw, part, step)
        observed, done = [*observed, *found], done + len(part.source)
        made = f"{len(part.source)} pairs, {len(found)} poses with those of lost pairs"
        words.append(f"{part.source.name}: {made}; protocol {part.protocol}, seed {part.seed}")
    return fit(observed, "; and ".join(words), before.sharpness)


def _observed(raw: Localizer, part: Part, progress: Progress) -> list[Observation]:
    """Observations of the pairs of a part whose network's pose is not withheld."""
    observed: list[Observation] = []

    def observe(evaluated: EvaluatedPair) -> None:
        draw, sample = evaluated.score.draw, evaluated.sample
        if not draw or sample.T_camera_lidar is None:
            return
        block = part.block(draw.index)
        observed.extend(_observation(raw, evaluated, evaluated.estimate, part.kind, block))
        if draw.index % LOST_EVERY == 0:
            lost = LostLocalizer(raw, sample.T_camera_lidar)
            unrefined = NetworkAlone(lost).localize_pair(sample.pair, sample.prior)
            observed.extend(_observation(lost, evaluated, unrefined, part.kind, block))

    evaluate(NetworkAlone(raw), part.source, part.protocol, part.seed, progress=progress, watch=observe)
    return observed


def _observation(
    localizer: Localizer, evaluated: EvaluatedPair, unrefined: PoseEstimate, kind: str, block: str
) -> list[Observation]:
    """The observation of one pair, none if the pose of the network is withheld."""
    sample, located = evaluated.sample, _stated(evaluated, unrefined)
    if located is None:
        return []
    refined = localizer.localize_pair(sample.pair, sample.prior, localizer.settings.any_confidence)
    is_refined = refined.evidence is not None and refined.evidence.refinement is not None
    after = _stated(evaluated, refined) if is_refined else None
    return [Observation(not located.is_junk, located, after, kind, block)]


def _stated(evaluated: EvaluatedPair, estimate: PoseEstimate) -> StatedError | None:
    """Stated error of an estimate with a pose and a valid covariance; None of another one."""
    truth = evaluated.sample.T_camera_lidar
    if estimate.pose is None or estimate.covariance is None or estimate.evidence is None or truth is None:
        return None
    off, covariance = camera_error(estimate.pose, estimate.covariance, truth)
    return StatedError(estimate.evidence, off, covariance) if normalised(off, covariance) else None

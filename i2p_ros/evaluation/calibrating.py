# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a model, fitted on pairs with true poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.core.progress import Progress
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import PoseEstimate
from i2p_ros.evaluation.runner import EvaluatedPair, NetworkAlone, evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.pnp.calibration import Calibration, Observation, StatedError, fit

BLOCK = 10  # successive pairs of a recording that the cross-validation leaves out together


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
    """Calibration of a localizer's model, fitted on all pairs of sources that were not used in training.

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
        made = f"{len(part.source)} pairs, {len(found)} of them with a pose"
        words.append(f"{part.source.name}: {made}; protocol {part.protocol}, seed {part.seed}")
    return fit(observed, "; and ".join(words), before.sharpness)


def _observed(raw: Localizer, part: Part, progress: Progress) -> list[Observation]:
    """An observation of each pair of a part whose network's pose is not withheld."""
    observed: list[Observation] = []

    def observe(evaluated: EvaluatedPair) -> None:
        located = _stated(evaluated, evaluated.estimate)
        draw = evaluated.score.draw
        if not located or not draw:
            return
        refined = raw.localize_pair(evaluated.sample.pair, evaluated.sample.prior, raw.settings.any_confidence)
        is_refined = refined.evidence is not None and refined.evidence.refinement is not None
        after = _stated(evaluated, refined) if is_refined else None
        block = part.block(draw.index)
        observed.append(Observation(not evaluated.score.junk, located, after, part.kind, block))

    evaluate(NetworkAlone(raw), part.source, part.protocol, part.seed, progress=progress, watch=observe)
    return observed


def _stated(evaluated: EvaluatedPair, estimate: PoseEstimate) -> StatedError | None:
    """Stated error of an estimate with a pose and a valid covariance; None of another one."""
    truth = evaluated.sample.T_camera_lidar
    if estimate.pose is None or estimate.covariance is None or estimate.evidence is None or truth is None:
        return None
    off, covariance = camera_error(estimate.pose, estimate.covariance, truth)
    return StatedError(estimate.evidence, off, covariance) if normalised(off, covariance) else None

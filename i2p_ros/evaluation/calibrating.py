# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a model, fitted on pairs with true poses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.core.errors import DeviceMemoryError, NonFiniteError
from i2p_ros.core.protocols import ProtocolName
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PoseEstimate, Prior
from i2p_ros.evaluation.runner import EvaluatedPair, evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.pnp.calibration import Calibration, Observation, StatedError, fit


def calibrated(
    localizer: Localizer, source: Source, protocol: ProtocolName, seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:  # fmt: skip
    """Calibration of a localizer's model, fitted on all pairs of a source that was not used in training.

    Raises InputError for a source without true poses, and when too few pairs have a pose.
    """
    before = Calibration(sharpness=localizer.calibration.sharpness)
    raw = Localizer(localizer.family, localizer.runtime, localizer.settings, localizer.name, before)
    observed: list[Observation] = []

    def observe(evaluated: EvaluatedPair) -> None:
        if located := _stated(evaluated, evaluated.estimate):
            refined = evaluated.estimate
            with suppress(NonFiniteError, DeviceMemoryError):
                refined = raw.refine(raw.prepare(evaluated.sample.pair), evaluated.estimate)
            after = None if refined is evaluated.estimate else _stated(evaluated, refined)
            observed.append(Observation(not evaluated.score.junk, located, after))

    evaluate(_Located(raw), source, protocol, seed, progress=progress, watch=observe)
    words = f"{source.name}: {len(source)} pairs, {len(observed)} of them with a pose; protocol {protocol}, seed {seed}"
    return fit(observed, words, before.sharpness)


@dataclass(frozen=True)
class _Located:
    """A localizer whose poses are not refined."""

    localizer: Localizer

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """Estimate of the localizer, not refined."""
        return self.localizer.localize_pair(pair, prior, refined=False)


def _stated(evaluated: EvaluatedPair, estimate: PoseEstimate) -> StatedError | None:
    """Stated error of an estimate with a pose and a valid covariance; None of another one."""
    truth = evaluated.sample.T_camera_lidar
    if estimate.pose is None or estimate.covariance is None or estimate.evidence is None or truth is None:
        return None
    off, covariance = camera_error(estimate.pose, estimate.covariance, truth)
    return StatedError(estimate.evidence, off, covariance) if normalised(off, covariance) else None

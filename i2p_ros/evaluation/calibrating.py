# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fit a model's calibration on pairs whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.core.errors import DeviceMemoryError
from i2p_ros.core.types import Pair, PoseEstimate, Prior
from i2p_ros.evaluation.runner import EvaluatedPair, evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.pnp.calibration import Calibration, Observation, Statement, fit
from i2p_ros.sources.base import Source
from i2p_ros.sources.perturb import Protocol


def calibrated(
    localizer: Localizer, source: Source, protocol: Protocol, seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:  # fmt: skip
    """The calibration of a localizer's model, fitted on all pairs of a source that nobody trained on.

    Raises InputError for a source without truth, and where too few pairs have a pose.
    """
    before = Calibration(sharpness=localizer.calibration.sharpness)
    raw = Localizer(localizer.family, localizer.runtime, localizer.settings, localizer.name, before)
    observed: list[Observation] = []

    def observe(seen: EvaluatedPair) -> None:
        if located := _stated(seen, seen.estimate):
            exact = seen.estimate
            with suppress(FloatingPointError, DeviceMemoryError):
                exact = raw.made_exact(seen.sample.pair, seen.estimate)
            after = None if exact is seen.estimate else _stated(seen, exact)
            observed.append(Observation(not seen.score.junk, located, after))

    evaluate(_Located(raw), source, protocol, seed, progress=progress, watch=observe)
    words = f"{source.name}: {len(source)} pairs, {len(observed)} of them with a pose; protocol {protocol}, seed {seed}"
    return fit(observed, words, before.sharpness)


@dataclass(frozen=True)
class _Located:
    """A localizer whose poses are not made exact."""

    localizer: Localizer

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        """As the localizer's own."""
        return self.localizer.located(pair, prior)


def _stated(seen: EvaluatedPair, estimate: PoseEstimate) -> Statement | None:
    """Of an estimate with a pose and a sound covariance."""
    truth = seen.sample.T_camera_lidar
    if estimate.pose is None or estimate.covariance is None or estimate.evidence is None or truth is None:
        return None
    off, covariance = camera_error(estimate.pose, estimate.covariance, truth)
    return Statement(estimate.evidence, off, covariance) if normalised(off, covariance) else None

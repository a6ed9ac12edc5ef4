# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fit a model's calibration on pairs whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

from i2p_ros.core.consistency import camera_error, normalised
from i2p_ros.evaluation.runner import Seen, evaluate
from i2p_ros.localizer import Localizer
from i2p_ros.pnp.calibration import Calibration, Observation, fit
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
    evaluate(raw, source, protocol, seed, progress=progress, watch=lambda seen: _observe(seen, observed))
    words = f"{source.name}: {len(source)} pairs, {len(observed)} of them with a pose; protocol {protocol}, seed {seed}"
    return fit(observed, words, before.sharpness)


def _observe(seen: Seen, observed: list[Observation]) -> None:
    """Add a pair with a pose."""
    estimate, truth = seen.estimate, seen.sample.T_camera_lidar
    if estimate.pose is None or estimate.covariance is None or estimate.evidence is None or truth is None:
        return
    error, covariance = camera_error(estimate.pose, estimate.covariance, truth)
    if normalised(error, covariance):
        observed.append(Observation(estimate.evidence, not seen.score.junk, error, covariance))

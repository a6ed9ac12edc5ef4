# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An estimate from descriptors, made exact by what the image and the cloud themselves say of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i2p_ros.alignment.pair import aligned
from i2p_ros.alignment.signal import View
from i2p_ros.core.config import PnpSettings, RefinementSettings
from i2p_ros.core.geometry import from_camera_axes, to_camera_axes
from i2p_ros.core.types import Pair, PoseEstimate
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import problem_of

WIDENED = 1.7  # of the deviations that the descriptors state: how far off they are seen to be


def made_exact(
    estimate: PoseEstimate, pair: Pair, view: View, settings: PnpSettings, refinement: RefinementSettings,
    calibration: Calibration,
) -> PoseEstimate:  # fmt: skip
    """The estimate with the pose near it at which image and cloud say most of each other, the covariance of that, and
    the confidence that this deserves. `view` is what is seen in the image.

    It stays as it is without a pose, where they say nothing of each other, or contradict the matches.
    """
    matches, evidence = estimate.correspondences, estimate.evidence
    if estimate.pose is None or estimate.covariance is None or matches is None or evidence is None:
        return estimate
    spread = calibration.unscaled(to_camera_axes(estimate.pose, estimate.covariance))
    found = aligned(pair, view, estimate.pose, WIDENED**2 * spread, refinement)
    if found is None:
        return estimate
    problem = problem_of(matches, pair.camera, settings.threshold_deg)
    distance, inliers = problem.agreeing(problem.in_map(found.pose))
    if inliers.sum() < settings.min_inliers:
        return estimate
    evidence = replace(evidence, standout=found.standout)
    return replace(
        estimate,
        pose=found.pose,
        covariance=from_camera_axes(found.pose, calibration.aligned(found.covariance)),
        inliers=inliers,
        residual_px=float(np.sqrt(np.mean(distance[inliers] ** 2))),
        confidence=calibration.confidence(evidence),
        evidence=evidence,
    )

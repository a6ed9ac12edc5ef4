# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refinement of the estimate that a network's matches gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i2p_ros.alignment.pair import refine_pair
from i2p_ros.alignment.pyramid import ImagePyramid
from i2p_ros.alignment.signals import LIDAR, SignalSet
from i2p_ros.core.both import Both, in_turn
from i2p_ros.core.config import PnpSettings, RefinementSettings
from i2p_ros.core.geometry import from_camera_axes, to_camera_axes
from i2p_ros.core.place import LidarPlace, log_place
from i2p_ros.core.types import Pair, PoseEstimate
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import problem_of

ROUND_SHARE = 0.5  # of the deviations of a round of refinement, in the next one
STD_INFLATION = 2.5  # factor on the standard deviations of an estimate: its errors are larger than it states


def refine_estimate(
    estimate: PoseEstimate, pair: Pair, pyramid: ImagePyramid, settings: PnpSettings, refinement: RefinementSettings,
    calibration: Calibration, both: Both = in_turn, inflation: float = STD_INFLATION, signals: SignalSet = LIDAR,
    place: LidarPlace | None = None,
) -> PoseEstimate:  # fmt: skip
    """The estimate with its pose refined by `refine_pair`, and the covariance, inliers and confidence of that pose.

    The prior of the refinement is the estimate, with its deviations times `inflation`, and the `place` of the lidar if
    it is known. Each further round of the `signals` begins from the pose of the one before, with ROUND_SHARE of its
    deviations. The estimate is returned as it is if it has no pose, if there is no signal to compare, or if fewer than
    `settings.min_inliers` matches agree with the refined pose.
    """
    matches, evidence = estimate.correspondences, estimate.evidence
    if estimate.pose is None or estimate.covariance is None or matches is None or evidence is None:
        return estimate
    spread = inflation**2 * calibration.unscaled(to_camera_axes(estimate.pose, estimate.covariance))
    start, spread = place.product(estimate.pose, spread) if place else (estimate.pose, spread)
    refined = refine_pair(pair, pyramid, start, spread, refinement, both, signals.hides)
    if refined is None:
        return estimate
    for _ in range(1, signals.rounds):
        spread = ROUND_SHARE**2 * spread
        refined = refine_pair(pair, pyramid, refined.pose, spread, refinement, both, signals.hides) or refined
    problem = problem_of(matches, pair.camera, settings.threshold_deg)
    distance, inliers = problem.agreeing(problem.in_map(refined.pose))
    if inliers.sum() < settings.min_inliers:
        return estimate
    evidence = replace(evidence, log_place=log_place(place, refined.pose), refinement=refined.evidence)
    return replace(
        estimate,
        pose=refined.pose,
        covariance=from_camera_axes(refined.pose, calibration.aligned(refined.covariance, evidence)),
        degrees_of_freedom=calibration.aligned_errors.degrees_of_freedom or float("inf"),
        inliers=inliers,
        residual_px=float(np.sqrt(np.mean(distance[inliers] ** 2))),
        confidence=calibration.confidence(evidence),
        evidence=evidence,
    )

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of the settings within which a pose is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i2p_ros.core.config import PnpSettings
from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Evidence, PoseEstimate, Status
from i2p_ros.pnp import covariance
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.pnp.problem import NoPoseError

FAR_LOG_PLACE = -4.0  # 2 m by the default of pnp.lidar_std_m


def judged(estimate: PoseEstimate, settings: PnpSettings, calibration: Calibration) -> PoseEstimate:
    """The estimate. Its pose is withheld where a rival is nearly as good, or the confidence is too low."""
    least = least_confidence(settings, calibration, estimate.evidence)
    rival = estimate.evidence.rival if estimate.evidence else 0.0
    if rival > settings.max_rival:
        share = f"another pose has {100 * rival:.0f} % of the support or likelihood of the best"
        return withheld(estimate, f"{share} (limit pnp.max_rival: {100 * settings.max_rival:.0f} %)")
    if estimate.confidence < least:
        reason = f"confidence {estimate.confidence:.2f} is below {least:.2f} (pnp.min_confidence)"
        is_far = estimate.evidence is not None and estimate.evidence.log_place < FAR_LOG_PLACE
        far = ", and the camera is unusually far from the lidar (pnp.lidar_std_m)" if is_far else ""
        return withheld(estimate, reason + far)
    return estimate


def least_confidence(settings: PnpSettings, calibration: Calibration, evidence: Evidence | None) -> float:
    """Confidence below which a pose with this evidence is withheld."""
    return calibration.least_confidence(evidence) if settings.min_confidence < 0 else settings.min_confidence


def withheld(estimate: PoseEstimate, reason: str) -> PoseEstimate:
    """The estimate with the status UNCERTAIN, its pose moved to `withheld`."""
    return replace(estimate, status=Status.UNCERTAIN, reason=reason, pose=None, withheld=estimate.pose)


def refuse_weak(spread: Array, settings: PnpSettings) -> None:
    """Raises NoPoseError with the names of the axes whose deviation about the camera is above the limits."""
    if names := covariance.weak_axes(spread, settings.max_std_m, float(np.radians(settings.max_std_deg))):
        limits = f"limits {settings.max_std_m} m, {settings.max_std_deg} deg"
        raise NoPoseError(
            Status.DEGENERATE, f"weakly fixed: {', '.join(names)} ({limits}: pnp.max_std_m, pnp.max_std_deg)"
        )

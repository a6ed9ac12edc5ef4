# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The judgement of a given extrinsic calibration by a recording: right, wrong, or cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import NormalDist
from typing import Any

import numpy as np

from i2p_ros.calibration.calibrator import Calibrator
from i2p_ros.calibration.mistakes import mistake
from i2p_ros.calibration.result import CalibrationResult
from i2p_ros.core.consistency import chi2_probability
from i2p_ros.core.drifts import AXES, INTERVAL, SCALES, UNITS
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.progress import Progress
from i2p_ros.core.source import Source

POWER = NormalDist().inv_cdf(0.95)  # standard deviations: an error of the detectable size is found in 95 % of cases
DESCENT_ROUNDS = 200


class Judgement(str, Enum):
    """What a recording says about a calibration."""

    RIGHT = "right"  # every axis is observed to the stated limit, and none is off
    WRONG = "wrong"  # an axis is off by more than chance and the systematic offset explain
    CANNOT_TELL = "cannot tell"  # no axis is known to be off, but not every axis is observed


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCheck:
    """The judgement of the calibration `given`, T_camera_lidar, by the calibration `result` of the same recordings.

    `error` (6,) is the delta from the given to the estimated calibration, m and rad. `detectable` (6,) is the smallest
    error that would be called wrong in 95 % of cases. Both are None where there is no result. `wrong` names the axes
    that are off, `unobserved` those whose detectable error is above the limit.
    `mistake` is a common mistake that explains the error, or empty.
    """

    given: Pose
    result: CalibrationResult
    judgement: Judgement
    error: Array | None = None
    detectable: Array | None = None
    wrong: tuple[str, ...] = ()
    unobserved: tuple[str, ...] = ()
    mistake: str = ""
    reasons: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The check as plain values, in m and rad."""
        return {
            "judgement": self.judgement.value,
            "T_camera_lidar_given": self.given.matrix.tolist(),
            "error": None if self.error is None else self.error.tolist(),
            "half": None if self.result.half is None else self.result.half.tolist(),
            "detectable": None if self.detectable is None else self.detectable.tolist(),
            "wrong": list(self.wrong), "unobserved": list(self.unobserved), "mistake": self.mistake,
            "reasons": list(self.reasons), "calibration": self.result.to_json(),
        }  # fmt: skip


def checked(
    calibrator: Calibrator, sources: Sequence[Source], given: Pose, progress: Progress | None = None
) -> CalibrationCheck:
    """The judgement of T_camera_lidar `given` by the recordings of one rig.

    The recordings are calibrated without an initial guess, with the given calibration as one more candidate, so that
    an error of any size is found. Raises InputError as `Calibrator.result`.
    """
    result = calibrator.result(*sources, init=given, progress=progress)
    return judged(given, result, calibrator)


def judged(given: Pose, result: CalibrationResult, calibrator: Calibrator) -> CalibrationCheck:
    """The judgement of a given calibration by a result."""
    if result.pose is None or result.covariance is None or result.std is None:
        why = f"the recording gives no calibration to compare with: {result.status.value}, {result.reason}"
        return CalibrationCheck(given, result, Judgement.CANNOT_TELL, unobserved=AXES, reasons=(why,))
    settings, std = calibrator.settings, result.std
    error = given.local(result.pose)
    alpha = 0.5 * settings.calibration.false_accusations  # half of it for the axes, half for all axes together
    detectable = (threshold(alpha) + POWER) * std + result.systematic
    limits = np.repeat([settings.watch.unseen_m, np.radians(settings.watch.unseen_deg)], 3)
    is_wrong, is_unobserved = np.abs(error) > threshold(alpha) * std + result.systematic, detectable > limits
    if (
        not is_wrong.any()
        and 1.0 - chi2_probability(beyond_offset(error, result.covariance, result.systematic)) < alpha
    ):
        is_wrong[np.argmax(np.abs(error) / limits)] = True
    judgement = Judgement.CANNOT_TELL if is_unobserved.any() else Judgement.RIGHT
    return CalibrationCheck(
        given, result, Judgement.WRONG if is_wrong.any() else judgement, error, detectable,
        wrong=tuple(np.array(AXES)[is_wrong].tolist()), unobserved=tuple(np.array(AXES)[is_unobserved].tolist()),
        mistake=mistake(given, result.pose) if is_wrong.any() else "",
        reasons=_reasons(error, INTERVAL * std + result.systematic, detectable, is_wrong, is_unobserved),
    )  # fmt: skip


def threshold(alpha: float) -> float:
    """Standard deviations that the error of an axis must exceed, beyond the systematic offset: those of six two-sided
    tests with the probability `alpha` of a false accusation, by Bonferroni."""
    return -NormalDist().inv_cdf(alpha / (2 * len(AXES)))


def beyond_offset(error: Array, covariance: Array, systematic: Array) -> float:
    """The least squared Mahalanobis distance of an error (6,) from any systematic offset within its bound (6,).

    It is chi-square distributed with at most 6 degrees of freedom if the error is the offset and noise of this
    covariance (6, 6). Axes that are hard to tell apart, such as ty and rx of far scenes, are judged together by it.
    The offset is found by coordinate descent, which converges for a convex quadratic in a box.
    """
    information = np.linalg.inv(covariance)
    offset = np.zeros(6)
    for _ in range(DESCENT_ROUNDS):
        for k in range(6):
            slope = information[k] @ (error - offset)
            offset[k] = np.clip(offset[k] + slope / information[k, k], -systematic[k], systematic[k])
    rest = error - offset
    return float(rest @ information @ rest)


def _reasons(error: Array, half: Array, detectable: Array, is_wrong: Any, is_unobserved: Any) -> tuple[str, ...]:
    """A sentence for each axis that is off or not observed. Arrays are (6,), in m and rad."""
    lines = []
    for k, (axis, scale, unit) in enumerate(zip(AXES, SCALES, UNITS, strict=True)):
        if is_wrong[k]:
            lines.append(f"{axis} is off by {error[k] * scale:+.2f} +- {half[k] * scale:.2f} {unit}")
        elif is_unobserved[k]:
            lines.append(
                f"{axis} is not observed: an error below {detectable[k] * scale:.2f} {unit} would go unnoticed"
            )
    return tuple(lines)

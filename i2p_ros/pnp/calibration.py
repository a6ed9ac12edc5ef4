# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model's errors have been seen to be: factors for its covariance, and how likely a pose is right.

Fitted by `fit` on pairs whose truth is known and that nobody trained on; kept beside the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from i2p_ros.core.geometry import Array

Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Evidence:
    """What speaks for a pose: how many `inliers` of how many `matches`, the support of the best `rival` as a share of
    its own, and where descriptors were compared under it, their `agreement` (-1..1), by what `margin` that beats the
    best other pose, and the largest deviation `std_m` of the posterior."""

    inliers: int
    matches: int
    rival: float = 0.0
    agreement: float = 0.0
    margin: float = 0.0
    std_m: float = 1.0

    @property
    def features(self) -> Array:
        """(7,) what the confidence is a logistic function of, a constant first."""
        ratio = self.inliers / max(self.matches, 1)
        logs = [np.log(max(self.inliers, 1)), np.log(max(ratio, 1e-3)), np.log(max(self.std_m, 1e-3))]
        return np.array([1.0, *logs, self.rival, self.agreement, self.margin])


class Calibration(BaseModel):
    """The defaults say what matches alone allow: no factor, no threshold, a confidence that is only an order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    std_scale: Six = Field((1.0,) * 6, description="factor of each deviation, axes of the camera: x, y, z, about them")
    sharpness: float = Field(200.0, gt=0, description="log likelihood of a pose by its mean similarity of descriptors")
    confidence_weights: tuple[float, ...] = Field(
        (-3.0, 1.7, 0.3, 0.0, -2.0, 0.0, 0.0), description="of Evidence.features, before the logistic function"
    )
    min_confidence: float = Field(0.0, ge=0, le=1, description="poses of less are withheld")
    fitted_on: str = ""

    def scaled(self, covariance: Array) -> Array:
        """A (6, 6) covariance about the camera, in its axes, as large as errors have been seen to be."""
        return np.asarray(covariance * np.outer(self.std_scale, self.std_scale))

    def confidence(self, evidence: Evidence) -> float:
        """Probability that a pose with this evidence is right."""
        return float(1.0 / (1.0 + np.exp(-np.clip(evidence.features @ self.confidence_weights, -50.0, 50.0))))

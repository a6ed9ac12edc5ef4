# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model's errors have been seen to be: factors for its covariance, and how likely a pose is right.

Fitted on pairs whose truth is known and that nobody trained on, and kept beside the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Evidence

Six = tuple[float, float, float, float, float, float]
Eight = tuple[float, float, float, float, float, float, float, float]
Nine = tuple[float, float, float, float, float, float, float, float, float]
SHARPNESS = 120.0  # of vp2p-small: its posterior is then about as wide as its errors, and as wide for good and bad
RIDGE = 1.0  # of the logistic regression, in observations: a few dozen must not give weights without bound
MAX_JUNK = 0.005  # share of wrong poses among the published ones of the fit: half of what is asked of other pairs
EXPECTED_JUNK = 0.01  # of other pairs
QUANTILE, NORMAL_QUANTILE, CHI2_QUANTILE = 0.95, 1.96, 12.59  # of one error, two-sided, and of the NEES of six
MIN_OBSERVED, FOLDS = 30, 10


class Calibration(BaseModel):
    """The defaults say what matches alone allow: no factor, no threshold, a confidence that is only an order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    std_scale: Six = Field((1.0,) * 6, description="factor of each deviation, axes of the camera: x, y, z, about them")
    aligned_scale: Six = Field((1.0,) * 6, description="the same of a pose that was made exact")
    sharpness: float = Field(SHARPNESS, gt=0, description="log likelihood of a pose by the mean similarity under it")
    confidence_weights: Eight = Field(
        (-3.0, 1.7, 0.3, 0.0, -10.0, 0.0, 0.0, 0.0), description="of `features`, before the logistic function"
    )
    aligned_weights: Nine = Field(
        (-3.0, 1.7, 0.3, 0.0, -10.0, 0.0, 0.0, 0.0, 0.0), description="the same of a pose that was made exact"
    )
    min_confidence: float = Field(0.0, ge=0, le=1, description="poses of less are withheld")
    aligned_min_confidence: float = Field(0.0, ge=0, le=1, description="the same of a pose that was made exact")
    fitted_on: str = ""

    def scaled(self, covariance: Array) -> Array:
        """A (6, 6) covariance about the camera, in its axes, as large as errors have been seen to be."""
        return np.asarray(covariance * np.outer(self.std_scale, self.std_scale))

    def unscaled(self, covariance: Array) -> Array:
        """The way back from `scaled`."""
        return np.asarray(covariance / np.outer(self.std_scale, self.std_scale))

    def aligned(self, covariance: Array) -> Array:
        """As `scaled`, of a pose that was made exact."""
        return np.asarray(covariance * np.outer(self.aligned_scale, self.aligned_scale))

    def confidence(self, evidence: Evidence) -> float:
        """Probability that a pose with this evidence is right."""
        weights = self.confidence_weights if evidence.standout is None else self.aligned_weights
        return float(_logistic(features(evidence) @ np.array(weights)))

    def least(self, evidence: Evidence | None) -> float:
        """Confidence below which a pose with this evidence is withheld."""
        exact = evidence is not None and evidence.standout is not None
        return self.aligned_min_confidence if exact else self.min_confidence


@dataclass(frozen=True)
class Statement:
    """What is said of a pose, beside the truth: its evidence, and by how much it is `off` (6,) about the camera with
    the `covariance` (6, 6) that Calibration() states, both along camera axes, m and rad."""

    evidence: Evidence
    off: Array
    covariance: Array


@dataclass(frozen=True)
class Observation:
    """A pose, whether it is `right`, what the network states of it, and what is stated after it was made exact, if it
    could be."""

    right: bool
    located: Statement
    exact: Statement | None = None


def features(evidence: Evidence) -> Array:
    """(8,) what the confidence is a logistic function of, a constant first; (9,) of a pose that was made exact."""
    ratio = evidence.inliers / max(evidence.matches, 1)
    logs = np.log([max(evidence.inliers, 1), max(ratio, 1e-3), max(evidence.std_m, 1e-3)])
    told = [1.0, *logs, evidence.rival, evidence.similarity, evidence.margin, evidence.shortfall]
    return np.array(told if evidence.standout is None else [*told, evidence.standout])


def fit(observed: Sequence[Observation], fitted_on: str, sharpness: float = SHARPNESS) -> Calibration:
    """The calibration that makes the observations come true.

    Weights by logistic regression; the threshold keeps as many poses as leave few wrong ones among them (`threshold`),
    each judged by weights that have not seen it; the factors make the ellipsoid of QUANTILE hold this share of the
    right ones among these, with axes in the proportion of their own quantiles: errors have heavier tails than a
    Gaussian, and it is the tails that do harm.
    Raises InputError where there are too few poses, or too few right ones, or nothing tells these from the others.
    """
    right = np.array([o.right for o in observed])
    if len(observed) < MIN_OBSERVED or right.sum() < MIN_OBSERVED / 2:
        got = f"{len(observed)} poses, {right.sum()} of them right"
        raise InputError(f"a calibration needs {MIN_OBSERVED} poses, half of them right, got {got}", "calibration")
    could = np.array([o.exact is not None for o in observed])
    weights, least, std_scale = _fitted([o.located for o in observed], right)
    exact = np.append(weights, 0.0), least, std_scale  # where too few could be made exact
    if could.sum() >= MIN_OBSERVED:
        exact = _fitted([o.exact for o in observed if o.exact], right[could])
    return Calibration(
        std_scale=_rounded(std_scale), aligned_scale=_rounded(exact[2]), sharpness=sharpness,
        confidence_weights=_rounded(weights), aligned_weights=_rounded(exact[0]),
        min_confidence=least, aligned_min_confidence=exact[1], fitted_on=fitted_on,
    )  # fmt: skip


def _fitted(stated: Sequence[Statement], right: NDArray[np.bool_]) -> tuple[Array, float, Array]:
    """Weights of the features, the least confidence, and factors of the deviations, of statements of one kind."""
    x = np.array([features(s.evidence) for s in stated])
    confidence = _held_out(x, right)
    least = threshold(confidence, right)
    if least >= 1.0:
        raise InputError("no confidence leaves few enough wrong poses: the evidence does not tell them", "calibration")
    kept = right & (confidence >= least)
    if kept.sum() < MIN_OBSERVED:  # too few to scale by
        kept = right
    scales = _scales([s for s, k in zip(stated, kept, strict=True) if k])
    return logistic_regression(x, right), float(np.ceil(least * 1e4) / 1e4), scales


def logistic_regression(x: Array, y: NDArray[np.bool_]) -> Array:
    """(F,) weights of features (N, F), a constant first, by Newton's method with a ridge on standardised features."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    varies = std > 1e-9
    inside = np.where(varies, (x - mean) / np.where(varies, std, 1.0), 0.0)
    inside[:, 0] = 1.0
    ridge = np.diag([1e-9, *[RIDGE] * (x.shape[1] - 1)])
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = _logistic(inside @ w)
        hessian = (inside * (p * (1.0 - p))[:, None]).T @ inside + ridge
        w = w + np.linalg.solve(hessian, inside.T @ (y - p) - ridge @ w)
    outside = np.where(varies, w / np.where(varies, std, 1.0), 0.0)
    outside[0] = w[0] - outside[1:] @ mean[1:]
    return outside


def _held_out(x: Array, y: NDArray[np.bool_]) -> Array:
    """(N,) confidence of each observation, of weights fitted to the other FOLDS - 1 shares of them."""
    confidence, fold = np.empty(len(y)), np.random.default_rng(0).permutation(len(y)) % FOLDS
    for k in range(FOLDS):
        weights = logistic_regression(x[fold != k], y[fold != k])
        confidence[fold == k] = _logistic(x[fold == k] @ weights)
    return confidence


def threshold(confidence: Array, right: NDArray[np.bool_]) -> float:
    """The least confidence such that of the poses that have it, at most MAX_JUNK are wrong, or at most EXPECTED_JUNK by
    what the confidences say, which a single pose cannot decide; 1 where there is none."""
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    wrong, expected = np.cumsum(~right[order]) / n, np.cumsum(1.0 - confidence[order]) / n
    good = np.flatnonzero((wrong <= MAX_JUNK) | (expected <= EXPECTED_JUNK))
    return float(confidence[order[good[-1]]]) if len(good) else 1.0


def _scales(kept: Sequence[Statement]) -> Array:
    """(6,) each axis by its own quantile, then all alike by that of the NEES when each is so scaled."""
    errors, covariances = np.array([s.off for s in kept]), np.array([s.covariance for s in kept])
    z = errors / np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    axes = np.quantile(np.abs(z), QUANTILE, axis=0) / NORMAL_QUANTILE
    scaled = errors / axes
    nees = np.einsum("ni,ni->n", scaled, np.linalg.solve(covariances, scaled[..., None])[..., 0])
    return np.asarray(axes * np.sqrt(np.quantile(nees, QUANTILE) / CHI2_QUANTILE))


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{v:.5g}") for v in values)


def _logistic(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0))))

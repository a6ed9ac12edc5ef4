# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a model's covariance and confidence: factors of the deviations, and the probability of a right pose.

It is fitted on pairs with true poses that were not trained on, and stored beside the weights.
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
SHARPNESS = 120.0  # of vp2p-small: makes the posterior about as wide as the errors
RIDGE = 1.0  # of the logistic regression, in observations: a few dozen separable ones must give finite weights
MAX_JUNK = 0.005  # share of junk among the published poses of the fit: half of the limit on other pairs
EXPECTED_JUNK = 0.01  # share of junk that the confidences predict: the limit on other pairs
QUANTILE, NORMAL_QUANTILE, CHI2_QUANTILE = 0.95, 1.96, 12.59  # two-sided of one normal error; of chi2(6)
MIN_OBSERVED, FOLDS = 30, 10  # observations that a fit needs; parts of the cross-validation


class Calibration(BaseModel):
    """Calibration of one model. `aligned_*` is for refined poses, the other values are for poses before refinement.

    The defaults are not fitted: no factor, no threshold, and a confidence that ranks poses but is no probability.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    std_scale: Six = Field((1.0,) * 6, description="factors of the deviations along and about x, y, z of the camera")
    aligned_scale: Six = Field((1.0,) * 6, description="the same for a refined pose")
    sharpness: float = Field(SHARPNESS, gt=0, description="log likelihood of a pose per unit of its mean similarity")
    confidence_weights: Eight = Field(
        (-3.0, 1.7, 0.3, 0.0, -10.0, 0.0, 0.0, 0.0), description="weights of `features` in the logistic function"
    )
    aligned_weights: Nine = Field(
        (-3.0, 1.7, 0.3, 0.0, -10.0, 0.0, 0.0, 0.0, 0.0), description="the same for a refined pose"
    )
    min_confidence: float = Field(0.0, ge=0, le=1, description="poses with less confidence are withheld")
    aligned_min_confidence: float = Field(0.0, ge=0, le=1, description="the same for a refined pose")
    fitted_on: str = Field("", description="pairs of the fit in words; empty: not fitted")

    def scaled(self, covariance: Array) -> Array:
        """Calibrated covariance of a covariance (6, 6) about the camera, along its axes."""
        return np.asarray(covariance * np.outer(self.std_scale, self.std_scale))

    def unscaled(self, covariance: Array) -> Array:
        """Inverse of `scaled`."""
        return np.asarray(covariance / np.outer(self.std_scale, self.std_scale))

    def aligned(self, covariance: Array) -> Array:
        """`scaled` for a refined pose."""
        return np.asarray(covariance * np.outer(self.aligned_scale, self.aligned_scale))

    def confidence(self, evidence: Evidence) -> float:
        """Probability that a pose with this evidence is right."""
        weights = self.confidence_weights if evidence.standout is None else self.aligned_weights
        return float(_logistic(features(evidence) @ np.array(weights)))

    def least_confidence(self, evidence: Evidence | None) -> float:
        """Confidence below which a pose with this evidence is withheld."""
        is_refined = evidence is not None and evidence.standout is not None
        return self.aligned_min_confidence if is_refined else self.min_confidence


@dataclass(frozen=True)
class StatedError:
    """Error of an estimate, with its evidence and its covariance before calibration.

    `error` (6,) and `covariance` (6, 6) are about the camera, along its axes, in m and rad.
    """

    evidence: Evidence
    error: Array
    covariance: Array


@dataclass(frozen=True)
class Observation:
    """One pair of a fit: whether its pose is `right`, and the error before and after refinement.

    `refined` is None where the pose could not be refined.
    """

    right: bool
    unrefined: StatedError
    refined: StatedError | None = None


def features(evidence: Evidence) -> Array:
    """Inputs (8,) of the logistic function of the confidence, a constant first. (9,) for a refined pose."""
    ratio = evidence.inliers / max(evidence.matches, 1)
    logs = np.log([max(evidence.inliers, 1), max(ratio, 1e-3), max(evidence.std_m, 1e-3)])
    values = [1.0, *logs, evidence.rival, evidence.similarity, evidence.margin, evidence.shortfall]
    return np.array(values if evidence.standout is None else [*values, evidence.standout])


def fit(observed: Sequence[Observation], fitted_on: str, sharpness: float = SHARPNESS) -> Calibration:
    """Calibration that agrees with the observations.

    The weights follow by logistic regression. The threshold is that of `confidence_threshold`, for confidences by
    cross-validation. The factors make the confidence ellipsoid of QUANTILE contain this share of the right poses above
    the threshold. Quantiles are used because errors have heavier tails than a Gaussian.

    Raises InputError where there are too few poses or too few right ones, or where the evidence does not separate right
    from wrong ones.
    """
    right = np.array([o.right for o in observed])
    if len(observed) < MIN_OBSERVED or right.sum() < MIN_OBSERVED / 2:
        got = f"{len(observed)} poses, {right.sum()} of them right"
        raise InputError(f"a calibration needs {MIN_OBSERVED} poses, half of them right, got {got}", "calibration")
    has_refined = np.array([o.refined is not None for o in observed])
    weights, least, std_scale = _fitted([o.unrefined for o in observed], right)
    aligned = np.append(weights, 0.0), least, std_scale  # where too few poses could be refined
    if has_refined.sum() >= MIN_OBSERVED:
        aligned = _fitted([o.refined for o in observed if o.refined], right[has_refined])
    return Calibration(
        std_scale=_rounded(std_scale), aligned_scale=_rounded(aligned[2]), sharpness=sharpness,
        confidence_weights=_rounded(weights), aligned_weights=_rounded(aligned[0]),
        min_confidence=least, aligned_min_confidence=aligned[1], fitted_on=fitted_on,
    )  # fmt: skip


def _fitted(stated: Sequence[StatedError], right: NDArray[np.bool_]) -> tuple[Array, float, Array]:
    """Weights of the features, least confidence and factors (6,) of the deviations, all before or all after
    refinement."""
    x = np.array([features(s.evidence) for s in stated])
    confidence = _held_out(x, right)
    least = confidence_threshold(confidence, right)
    if least >= 1.0:
        raise InputError(
            "no least confidence keeps the share of wrong poses small: the evidence does not separate them from right "
            "ones",
            "calibration",
        )
    kept = right & (confidence >= least)
    if kept.sum() < MIN_OBSERVED:  # too few for quantiles
        kept = right
    scales = _scales([s for s, k in zip(stated, kept, strict=True) if k])
    return logistic_regression(x, right), float(np.ceil(least * 1e4) / 1e4), scales


def logistic_regression(x: Array, y: NDArray[np.bool_]) -> Array:
    """Weights (F,) of features (N, F), a constant first, by Newton's method with a ridge on standardised features."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    varies = std > 1e-9
    standardised = np.where(varies, (x - mean) / np.where(varies, std, 1.0), 0.0)
    standardised[:, 0] = 1.0
    ridge = np.diag([1e-9, *[RIDGE] * (x.shape[1] - 1)])
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = _logistic(standardised @ w)
        hessian = (standardised * (p * (1.0 - p))[:, None]).T @ standardised + ridge
        w = w + np.linalg.solve(hessian, standardised.T @ (y - p) - ridge @ w)
    original = np.where(varies, w / np.where(varies, std, 1.0), 0.0)
    original[0] = w[0] - original[1:] @ mean[1:]
    return original


def _held_out(x: Array, y: NDArray[np.bool_]) -> Array:
    """Confidence (N,) of each observation by cross-validation: its own fold is left out of the fit."""
    confidence, fold = np.empty(len(y)), np.random.default_rng(0).permutation(len(y)) % FOLDS
    for k in range(FOLDS):
        weights = logistic_regression(x[fold != k], y[fold != k])
        confidence[fold == k] = _logistic(x[fold == k] @ weights)
    return confidence


def confidence_threshold(confidence: Array, right: NDArray[np.bool_]) -> float:
    """Least confidence at which few published poses are wrong, 1 where there is none.

    Few means a share of at most MAX_JUNK, or of at most EXPECTED_JUNK as predicted by the confidences themselves. The
    second test does not depend on a single wrong pose.
    """
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    wrong, expected = np.cumsum(~right[order]) / n, np.cumsum(1.0 - confidence[order]) / n
    good = np.flatnonzero((wrong <= MAX_JUNK) | (expected <= EXPECTED_JUNK))
    return float(confidence[order[good[-1]]]) if len(good) else 1.0


def _scales(kept: Sequence[StatedError]) -> Array:
    """Factors (6,) of the deviations: the quantile of each axis, times one factor by the quantile of the NEES."""
    errors, covariances = np.array([s.error for s in kept]), np.array([s.covariance for s in kept])
    z = errors / np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    axes = np.quantile(np.abs(z), QUANTILE, axis=0) / NORMAL_QUANTILE
    scaled = errors / axes
    nees = np.einsum("ni,ni->n", scaled, np.linalg.solve(covariances, scaled[..., None])[..., 0])
    return np.asarray(axes * np.sqrt(np.quantile(nees, QUANTILE) / CHI2_QUANTILE))


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(f"{v:.5g}") for v in values)


def _logistic(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0))))

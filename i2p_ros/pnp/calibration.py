# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a model's covariance and confidence: the distribution of errors, and the probability of a right pose.

It is fitted on pairs with true poses that were not trained on, and stored beside the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Evidence
from i2p_ros.pnp.error_model import ErrorModel, Six, fit_errors, rounded, trends

Bools = NDArray[np.bool_]
Nine = tuple[float, float, float, float, float, float, float, float, float]
Ten = tuple[float, float, float, float, float, float, float, float, float, float]
SHARPNESS = 120.0  # of vp2p-small: makes the posterior about as wide as the errors
RIDGE = 4.0  # of the logistic regression, in observations: a few dozen separable ones must give finite weights
RIGHT_M, RIGHT_RAD = 2.0, np.radians(5.0)  # a refined pose that is off by more is wrong
JUNK_M, JUNK_RAD = 5.0, np.radians(10.0)  # a pose that is off by more must not be published
MAX_JUNK = 0.0075  # share of junk among the published poses of a source: below the limit of 1 % on other pairs
MAX_WRONG = 0.05  # share of wrong poses among them
EXPECTED_JUNK = 0.01  # share of wrong poses that the confidences predict, where the shares above do not hold
QUANTILE, NORMAL_QUANTILE, CHI2_QUANTILE = 0.95, 1.96, 12.59  # two-sided of one normal error; of chi2(6)
CLEAR_LEAD = 35.0  # of log likelihood: a rival that is farther behind makes a pose no surer, nor does the lack of one
EARLIER_WEIGHTS = 8  # before the place of the lidar had one
MIN_OBSERVED, FOLDS = 30, 10  # observations that a fit needs; parts of the cross-validation


class Calibration(BaseModel):
    """Calibration of one model. `aligned_*` is for refined poses, the other values are for poses before refinement.

    The defaults are not fitted: no factor, no threshold, and a confidence that ranks poses but is no probability.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    std_scale: Six = Field((1.0,) * 6, description="factors of the deviations along and about x, y, z of the camera")
    aligned_errors: ErrorModel = Field(ErrorModel(), description="width and tails of the errors of a refined pose")
    sharpness: float = Field(SHARPNESS, gt=0, description="log likelihood of a pose per unit of its mean similarity")
    most_margin: float = Field(1.0, gt=0, description="a larger margin makes a pose no surer")
    confidence_weights: Nine = Field(
        (-3.0, 1.7, 0.3, 0.0, -10.0, 0.0, 0.0, 0.0, 0.0), description="weights of `features` in the logistic function"
    )
    aligned_weights: Ten = Field((-3.0, 1.7) + (0.0,) * 8, description="the same for a refined pose")
    min_confidence: float = Field(0.0, ge=0, le=1, description="poses with less confidence are withheld")
    aligned_min_confidence: float = Field(0.0, ge=0, le=1, description="the same for a refined pose")
    fitted_on: str = Field("", description="pairs of the fit in words; empty: not fitted")

    @model_validator(mode="before")
    @classmethod
    def _is_current(cls, given: Any) -> Any:
        if isinstance(given, dict) and ("aligned_scale" in given or _has_earlier_weights(given)):
            raise ValueError("made by an earlier version: remove it, and run i2p calibrate-covariance")
        return given

    def scaled(self, covariance: Array) -> Array:
        """Calibrated covariance of a covariance (6, 6) about the camera, along its axes."""
        return np.asarray(covariance * np.outer(self.std_scale, self.std_scale))

    def unscaled(self, covariance: Array) -> Array:
        """Inverse of `scaled`."""
        return np.asarray(covariance / np.outer(self.std_scale, self.std_scale))

    def aligned(self, covariance: Array, evidence: Evidence) -> Array:
        """`scaled` for a refined pose with this evidence."""
        return self.aligned_errors.covariance(covariance, evidence)

    def confidence(self, evidence: Evidence) -> float:
        """Probability that a pose with this evidence is right.

        A refined pose is right only if its rival, a different pose with a share of its likelihood, is wrong.
        """
        weights = self.confidence_weights if evidence.refinement is None else self.aligned_weights
        return float(_logistic(features(evidence, self.most_margin) @ np.array(weights)) / _odds(evidence))

    def least_confidence(self, evidence: Evidence | None) -> float:
        """Confidence below which a pose with this evidence is withheld."""
        is_refined = evidence is not None and evidence.refinement is not None
        return self.aligned_min_confidence if is_refined else self.min_confidence


@dataclass(frozen=True)
class StatedError:
    """Error of an estimate, with its evidence and its covariance before calibration.

    `error` (6,) and `covariance` (6, 6) are about the camera, along its axes, in m and rad.
    """

    evidence: Evidence
    error: Array
    covariance: Array

    @property
    def is_right(self) -> bool:
        """Whether the error is at most RIGHT_M and RIGHT_RAD."""
        return self._is_within(RIGHT_M, RIGHT_RAD)

    @property
    def is_junk(self) -> bool:
        """Whether the error is larger than JUNK_M or JUNK_RAD."""
        return not self._is_within(JUNK_M, JUNK_RAD)

    def _is_within(self, metres: float, radians: float) -> bool:
        m, rad = np.linalg.norm(self.error[:3]), np.linalg.norm(self.error[3:])
        return bool(m <= metres and rad <= radians)


@dataclass(frozen=True)
class Observation:
    """One pair of a fit: whether the network's pose is `right`, and the error before and after refinement.

    `refined` is None where the pose could not be refined. Pairs of one `source` are of one kind, and all sources weigh
    alike. Pairs of one `block` are correlated, such as successive ones of a drive: the cross-validation leaves them out
    together. An empty name is a block of its own.
    """

    right: bool
    unrefined: StatedError
    refined: StatedError | None = None
    source: str = ""
    block: str = ""


def features(evidence: Evidence, most_margin: float = 1.0) -> Array:
    """Inputs (9,) of the logistic function of the confidence, a constant first; (10,) others of a refined pose.

    A pose before refinement is right if it is at the right place, which the network's matches and descriptors tell. A
    refined one must be accurate too, which depends on the mutual information. Of the margin at most `most_margin`
    counts: where no other pose was found, it is as large as the similarity.
    """
    log_inliers, found = np.log(max(evidence.inliers, 1)), evidence.refinement
    margin = min(evidence.margin, most_margin)
    if found is None:
        ratio = evidence.inliers / max(evidence.matches, 1)
        logs = np.log([max(ratio, 1e-3), max(evidence.std_m, 1e-3)])
        rest = [evidence.similarity, margin, evidence.shortfall, evidence.log_place]
        return np.array([1.0, log_inliers, *logs, evidence.rival, *rest])
    seen = [evidence.similarity, evidence.shortfall, evidence.log_place]
    least = [margin, found.std_m, found.information, found.points, found.standout]
    return np.array([1.0, log_inliers, *seen, *np.log(np.maximum(least, [1e-3, 1e-3, 1.0, 1.0, 1.0]))])


def _has_earlier_weights(given: dict[str, Any]) -> bool:
    weights = given.get("confidence_weights")
    return isinstance(weights, Sequence) and len(weights) == EARLIER_WEIGHTS


def _odds(evidence: Evidence) -> float:
    """The sum of the likelihoods of a refined pose and its rival, relative to its own. Before refinement 1."""
    return 1.0 if evidence.refinement is None else 1.0 + evidence.rival


def fit(observed: Sequence[Observation], fitted_on: str, sharpness: float = SHARPNESS) -> Calibration:
    """Calibration that agrees with the observations.

    The weights follow by logistic regression. The threshold is that of `confidence_threshold`, for confidences by
    cross-validation, and the highest of those of the sources. Before refinement the factors make the confidence
    ellipsoid of QUANTILE contain this share of the right poses above the threshold. After it the likeliest `ErrorModel`
    of all poses above the threshold is taken; there a pose is right within RIGHT_M and RIGHT_RAD.

    Raises InputError where there are too few poses or too few right ones, or where the evidence does not separate right
    from wrong ones.
    """
    right = np.array([o.right for o in observed])
    if len(observed) < MIN_OBSERVED or right.sum() < MIN_OBSERVED / 2:
        got = f"{len(observed)} poses, {right.sum()} of them right"
        raise InputError(f"a calibration needs {MIN_OBSERVED} poses, half of them right, got {got}", "calibration")
    most_margin = CLEAR_LEAD / sharpness
    before = _Fit.of(observed, [o.unrefined for o in observed], right, ~right, most_margin)
    std_scale = _scales([o.unrefined for o, k in zip(observed, before.kept(right), strict=True) if k])
    calibration = Calibration(
        std_scale=rounded(std_scale), sharpness=sharpness, most_margin=most_margin,
        confidence_weights=rounded(before.weights), min_confidence=before.least, aligned_min_confidence=before.least,
        fitted_on=fitted_on,
    )  # fmt: skip
    refined = [o for o in observed if o.refined]
    if len(refined) < MIN_OBSERVED:
        return calibration
    stated = [o.refined for o in refined if o.refined]
    right, junk = (np.array(values) for values in ([s.is_right for s in stated], [s.is_junk for s in stated]))
    after = _Fit.of(refined, stated, right, junk, most_margin)
    found = {"aligned_weights": rounded(after.weights), "aligned_min_confidence": after.least}
    return calibration.model_copy(update=found | {"aligned_errors": _error_model(stated, after)})


@dataclass(frozen=True)
class _Fit:
    """Confidences of N poses, all before or all after refinement: the weights of the features, the confidence (N,) of
    being right by cross-validation, the least one of a published pose, and the weight (N,) of each observation."""

    weights: Array
    confidence: Array
    least: float
    of_observations: Array

    @staticmethod
    def of(
        observed: Sequence[Observation], stated: Sequence[StatedError], right: Bools, junk: Bools, most_margin: float
    ) -> _Fit:
        """The fit of N poses of which some are `right` (N,), and some of the others are `junk` (N,)."""
        x = np.array([features(s.evidence, most_margin) for s in stated])
        sources = np.array([o.source for o in observed])
        names, source, count = np.unique(sources, return_inverse=True, return_counts=True)
        each = len(x) / len(names) / count[source]
        confidence = _held_out(x, right, each, _folds(observed)) / [_odds(s.evidence) for s in stated]
        kinds = [sources == name for name in names]
        least = max(confidence_threshold(confidence[kind], right[kind], junk[kind]) for kind in kinds)
        if least >= 1.0:
            raise InputError(
                "no least confidence keeps the share of junk small: the evidence does not separate it from right poses",
                "calibration",
            )
        return _Fit(logistic_regression(x, right, each), confidence, float(np.ceil(least * 1e4) / 1e4), each)

    def kept(self, right: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The right poses (N,) that are published; all right ones where these are too few for quantiles."""
        kept = right & (self.confidence >= self.least)
        return kept if kept.sum() >= MIN_OBSERVED else right


def _error_model(stated: Sequence[StatedError], fitted: _Fit) -> ErrorModel:
    """The model of the errors of refined poses, by those that are published."""
    kept = fitted.confidence >= fitted.least
    if kept.sum() < MIN_OBSERVED:
        kept = np.array([s.is_right for s in stated])
    chosen = [s for s, k in zip(stated, kept, strict=True) if k]
    errors, covariances = np.array([s.error for s in chosen]), np.array([s.covariance for s in chosen])
    given = np.array([trends(s.evidence) for s in chosen])
    return fit_errors(errors, covariances, given, fitted.of_observations[kept])


def logistic_regression(x: Array, y: NDArray[np.bool_], of_observations: Array | None = None) -> Array:
    """Weights (F,) of features (N, F), a constant first, by Newton's method with a ridge on standardised features.

    Observations have weights (N,), by default 1.
    """
    each = np.ones(len(y)) if of_observations is None else of_observations
    mean, std = x.mean(axis=0), x.std(axis=0)
    varies = std > 1e-9
    standardised = np.where(varies, (x - mean) / np.where(varies, std, 1.0), 0.0)
    standardised[:, 0] = 1.0
    ridge = np.diag([1e-9, *[RIDGE] * (x.shape[1] - 1)])
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = _logistic(standardised @ w)
        hessian = (standardised * (each * p * (1.0 - p))[:, None]).T @ standardised + ridge
        w = w + np.linalg.solve(hessian, standardised.T @ (each * (y - p)) - ridge @ w)
    original = np.where(varies, w / np.where(varies, std, 1.0), 0.0)
    original[0] = w[0] - original[1:] @ mean[1:]
    return original


def _folds(observed: Sequence[Observation]) -> NDArray[np.int64]:
    """Fold (N,) of each observation, at random. Those of one block are in one fold."""
    blocks = [o.block or f"/{index}" for index, o in enumerate(observed)]
    names, block = np.unique(blocks, return_inverse=True)
    return np.asarray(np.random.default_rng(0).permutation(len(names))[block] % FOLDS)


def _held_out(x: Array, y: NDArray[np.bool_], of_observations: Array, fold: NDArray[np.int64]) -> Array:
    """Confidence (N,) of each observation by cross-validation: its own fold is left out of the fit."""
    confidence = np.empty(len(y))
    for k in np.unique(fold):
        others = fold != k
        weights = logistic_regression(x[others], y[others], of_observations[others])
        confidence[fold == k] = _logistic(x[fold == k] @ weights)
    return confidence


def confidence_threshold(confidence: Array, right: Bools, junk: Bools | None = None) -> float:
    """Least confidence at which few published poses are junk or wrong, 1 where there is none.

    Few means shares of at most MAX_JUNK and MAX_WRONG, or that the confidences themselves predict at most EXPECTED_JUNK
    wrong ones. The second test does not depend on a single pose. By default all wrong poses are junk.
    """
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    wrong, far_off = (np.cumsum(bad[order]) / n for bad in (~right, ~right if junk is None else junk))
    expected = np.cumsum(1.0 - confidence[order]) / n
    few = np.flatnonzero(((far_off <= MAX_JUNK) & (wrong <= MAX_WRONG)) | (expected <= EXPECTED_JUNK))
    return float(confidence[order[few[-1]]]) if len(few) else 1.0


def _scales(kept: Sequence[StatedError]) -> Array:
    """Factors (6,) of the deviations: the quantile of each axis, times one factor by the quantile of the NEES."""
    errors, covariances = np.array([s.error for s in kept]), np.array([s.covariance for s in kept])
    z = errors / np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    axes = np.quantile(np.abs(z), QUANTILE, axis=0) / NORMAL_QUANTILE
    scaled = errors / axes
    nees = np.einsum("ni,ni->n", scaled, np.linalg.solve(covariances, scaled[..., None])[..., 0])
    return np.asarray(axes * np.sqrt(np.quantile(nees, QUANTILE) / CHI2_QUANTILE))


def _logistic(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0))))

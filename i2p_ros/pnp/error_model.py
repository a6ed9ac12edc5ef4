# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of refined poses: a Student-t distribution whose width follows from what is known of the pose.

The refinement states a covariance C about the camera, along its axes. The error e (6,) has the density

    t(e; S, nu) ~ |S|^(-1/2) (1 + e^T S^-1 e / nu)^(-(nu + 6) / 2)
    S = exp(2 slopes . trends) D (C + d (diag(C) - C)) D,  D = diag(scale)

with nu degrees of freedom (Lange, Little and Taylor 1989, Robust Statistical Modeling Using the t Distribution). Its
covariance is S nu / (nu - 2), and its level sets are the ellipsoids e^T S^-1 e = const. Tails are heavier than those of
a Gaussian, because some poses are at a local maximum beside the right one. d is the diagonal share: where local maxima
lie along one line, C is nearly flat across it, and errors are not.
"""

from __future__ import annotations

from math import lgamma, log, pi

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Evidence

Six = tuple[float, float, float, float, float, float]
TRENDS = ("log steepness", "log points", "log moved", "shortfall", "log standout")  # see Evidence and its refinement
Five = tuple[float, float, float, float, float]
NONE: Five = (0.0,) * 5
DEGREES_OF_FREEDOM = (6.0, 8.0, 10.0, 14.0, 20.0, 40.0)  # the likeliest is taken; below 4 the NEES has no variance
DIAGONAL_SHARES = (0.05, 0.1, 0.2)  # the likeliest is taken
RIDGE = 10.0  # of the slopes of standardised trends, in observations: a few of them must not make a trend
STEPS, DIFFERENCE, MIN_CURVATURE = 40, 1e-4, 1.0  # of Newton's method; of its differences of gradients
SQUARE_MEDIAN = 0.455  # median of the square of a normal error


class ErrorModel(BaseModel):
    """Width and tails of the errors of refined poses. The default states the covariance of the refinement as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Six = Field((1.0,) * 6, description="factors of the deviations along and about x, y, z of the camera")
    slopes: Five = Field(NONE, description="of the logarithm of all deviations by each trend: " + ", ".join(TRENDS))
    least: Five = Field(NONE, description="least trends of the fit: smaller ones count as these")
    most: Five = Field(NONE, description="largest trends of the fit")
    diagonal_share: float = Field(0.0, ge=0, le=1, description="share of a diagonal matrix in the covariance")
    degrees_of_freedom: float | None = Field(None, gt=2, description="of the Student-t distribution; none: a Gaussian")

    def covariance(self, stated: Array, evidence: Evidence) -> Array:
        """Covariance (6, 6) of the error of a refined pose, from the one that the refinement states."""
        nu = self.degrees_of_freedom
        clipped = np.clip(trends(evidence), self.least, self.most)
        factors = np.exp(np.dot(self.slopes, clipped)) * np.array(self.scale)
        variance = 1.0 if nu is None else nu / (nu - 2.0)
        return np.asarray(variance * _rounder(stated, self.diagonal_share) * np.outer(factors, factors))


def trends(evidence: Evidence) -> Array:
    """(5,) what the width of the errors depends on, in the order of TRENDS."""
    found = evidence.refinement
    assert found is not None
    logs = np.log([found.steepness, max(found.points, 1), max(found.moved, 0.05)])
    return np.array([*logs, evidence.shortfall, np.log(max(found.standout, 1.0))])


def fit_errors(errors: Array, covariances: Array, given: Array, weights: Array) -> ErrorModel:
    """The likeliest model of N errors (N, 6), with the covariances (N, 6, 6) that the refinement states, `given` (N, 5)
    trends, and `weights` (N,) of the observations.
    """
    mean, std = np.average(given, axis=0, weights=weights), given.std(axis=0)
    varies = std > 1e-9
    standardised = np.where(varies, (given - mean) / np.where(varies, std, 1.0), 0.0)
    best: tuple[float, Array, float, float] | None = None
    for share in DIAGONAL_SHARES:
        rounder, parameters = _rounder(covariances, share), None
        inverses = np.asarray(np.linalg.inv(rounder), np.float64)
        offset = 0.5 * float(weights @ np.linalg.slogdet(rounder)[1])
        for nu in DEGREES_OF_FREEDOM:
            likelihood = StudentLikelihood(errors, inverses, standardised, weights, nu)
            parameters = likelihood.maximum(likelihood.start if parameters is None else parameters)
            cost = likelihood.cost(parameters)[0] + offset
            if best is None or cost < best[0] - 1e-9:
                best = cost, parameters, nu, share
    assert best is not None
    _, parameters, nu, share = best
    slopes = np.where(varies, parameters[6:] / np.where(varies, std, 1.0), 0.0)
    return ErrorModel(
        scale=rounded(np.exp(parameters[:6] - slopes @ mean)),
        slopes=rounded(slopes), least=rounded(given.min(axis=0)), most=rounded(given.max(axis=0)),
        diagonal_share=share, degrees_of_freedom=nu,
    )  # fmt: skip


class StudentLikelihood:
    """Negative log likelihood of errors (N, 6) with inverse covariances (N, 6, 6), up to that of the covariances.

    The parameters (6 + F,) are the logarithms of the scale, and the slopes of F trends (N, F).
    """

    def __init__(self, errors: Array, inverses: Array, given: Array, weights: Array, nu: float) -> None:
        self._errors, self._inverses, self._given, self._weights, self._nu = errors, inverses, given, weights, nu
        self._constant = lgamma(nu / 2) + 3 * log(nu * pi) - lgamma((nu + 6) / 2)

    @property
    def start(self) -> Array:
        """Parameters by the median of each squared error, without slopes."""
        squares = self._errors**2 * np.diagonal(self._inverses, axis1=1, axis2=2)
        scale = 0.5 * np.log(np.median(squares, axis=0) / SQUARE_MEDIAN + 1e-12)
        return np.append(scale, np.zeros(self._given.shape[1]))

    def cost(self, parameters: Array) -> tuple[float, Array]:
        """The cost and its gradient (6 + F,)."""
        slopes, nu = parameters[6:], self._nu
        log_factors = parameters[:6] + (self._given @ slopes)[:, None]
        scaled = self._errors * np.exp(-log_factors)
        solved = np.einsum("nij,nj->ni", self._inverses, scaled)
        distance = np.einsum("ni,ni->n", scaled, solved)
        each = log_factors.sum(axis=1) + 0.5 * (nu + 6) * np.log1p(distance / nu) + self._constant
        by_axis = 1.0 - ((nu + 6) / (nu + distance))[:, None] * scaled * solved
        by_slope = (self._weights * by_axis.sum(axis=1)) @ self._given + RIDGE * slopes
        return float(self._weights @ each + 0.5 * RIDGE * slopes @ slopes), np.append(self._weights @ by_axis, by_slope)

    def maximum(self, parameters: Array) -> Array:
        """The parameters of least cost near others, by Newton's method with halved steps."""
        differences = DIFFERENCE * np.eye(len(parameters))
        cost, gradient = self.cost(parameters)
        for _ in range(STEPS):
            slopes = [self.cost(parameters + h)[1] - self.cost(parameters - h)[1] for h in differences]
            hessian = np.array(slopes) / (2.0 * DIFFERENCE)
            values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
            step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), MIN_CURVATURE))
            tried = ((share, *self.cost(parameters - share * step)) for share in 0.5 ** np.arange(12))
            share, new, gradient_there = next((t for t in tried if t[1] < cost), (0.0, cost, gradient))
            parameters, gain = parameters - share * step, cost - new
            cost, gradient = new, gradient_there
            if gain < 1e-9:
                break
        return parameters


def rounded(values: Array) -> tuple[float, ...]:
    """Five digits of each number."""
    return tuple(float(f"{v:.5g}") for v in values)


def _rounder(covariances: Array, share: float) -> Array:
    """Covariances (..., 6, 6) with their correlations reduced by a share."""
    return np.asarray(covariances * (1.0 - share * (1.0 - np.eye(6))))

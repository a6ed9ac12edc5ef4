# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether stated uncertainty is true: is the covariance as large as the errors, and does it know the bad ones?"""

from __future__ import annotations

from collections import deque
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.geometry import Array, Pose, to_camera_axes

AXES = ("right", "down", "forward", "about_right", "about_down", "about_forward")  # of the camera
LEVELS = (0.5, 0.9, 0.95, 0.99)
CALIBRATION_LEVELS = np.arange(1, 20) / 20  # 0.05 to 0.95
DRAWS = 1000  # of a bootstrap
CHI2_MEDIAN = 5.348  # of 6 degrees of freedom
OVERCONFIDENT = 2.0  # ratio of variances that is worth a warning


def camera_error(T_estimated: Pose, covariance: Array, T_true: Pose) -> tuple[Array, Array]:
    """(6,) how far the estimated camera is off in the cloud, along and about camera axes, and its (6, 6) covariance.

    Both poses are T_camera_lidar, `covariance` that of the estimate in the coordinates of `Pose.retract`. The same
    coordinates with the cloud's origin moved to the estimated camera, where position and rotation are least coupled
    and a far origin makes no error of second order. Order as AXES, m and rad.
    """
    centre = T_estimated.inverse().translation
    error = Pose(T_estimated.rotation, np.zeros(3)).local(Pose(T_true.rotation, T_true.apply(centre)))
    with np.errstate(invalid="ignore", over="ignore"):  # `normalised` refuses what is not finite
        return error, to_camera_axes(T_estimated, covariance)


def normalised(error: Array, covariance: Array) -> tuple[float, Array] | None:
    """The NEES error^T covariance^-1 error, and the (6,) errors in units of their own standard deviation.

    None for a covariance that is none: not finite or not positive definite. If the covariance is true, the NEES is
    chi-square with 6 degrees of freedom (Bar-Shalom et al. 2001, sec. 5.4).
    """
    variance = np.diag(covariance)
    if not (np.isfinite(covariance).all() and (variance > 0).all()):
        return None
    std = np.sqrt(variance)
    z, correlation = error / std, covariance / np.outer(std, std)
    try:
        whitened = np.linalg.solve(np.linalg.cholesky(correlation), z)
    except np.linalg.LinAlgError:
        return None
    return float(whitened @ whitened), z


def chi2_density(x: ArrayLike) -> Array:
    """Density of the chi-square distribution with 6 degrees of freedom."""
    x = np.asarray(x, np.float64)
    return x**2 * np.exp(-x / 2) / 16


def chi2_probability(x: ArrayLike) -> Array:
    """Its distribution function. At a NEES: the smallest ellipsoid of the stated covariance that holds the truth."""
    x = np.minimum(np.asarray(x, np.float64), 1e3)  # 1 there, and inf * 0 beyond
    return 1 - np.exp(-x / 2) * (1 + x / 2 + x**2 / 8)


def coverage(nees: Array, levels: ArrayLike = LEVELS) -> Array:
    """Share of poses whose truth lies inside the ellipsoid of each level; (L,) of nees (N,)."""
    held: Array = (chi2_probability(nees)[:, None] <= np.asarray(levels)).mean(axis=0)
    return held


def axis_coverage(z: Array, level: float) -> Array:
    """(6,) share of the normalised errors z (N, 6) inside the two-sided interval of the level, axis by axis."""
    held: Array = (np.abs(z) <= NormalDist().inv_cdf((1 + level) / 2)).mean(axis=0)
    return held


def calibration_error(nees: Array) -> float:
    """Mean gap between stated and observed coverage over the levels 0.05 to 0.95 (Kuleshov et al. 2018)."""
    return float(np.abs(coverage(nees, CALIBRATION_LEVELS) - CALIBRATION_LEVELS).mean())


def sparsification(errors: Array, spread: Array) -> Array:
    """(N,) mean error of what is left when the k poses of largest spread are gone, k = 0 to N - 1 (Ilg et al. 2018).

    Poses of equal spread come in no order: each counts with their mean. `spread=errors` gives the oracle.
    """
    _, tied, count = np.unique(spread, return_inverse=True, return_counts=True)
    errors = (np.bincount(tied, errors) / count)[tied]
    kept = np.cumsum(errors[np.argsort(spread, kind="stable")]) / np.arange(1, len(errors) + 1)
    return kept[::-1]


def ause(errors: Array, spread: Array) -> float | None:
    """Area between the sparsification curve and the oracle's, over that of random order: 0 oracle, 1 random.

    None where all errors are equal: every order is as good. Random order leaves the mean error as it is.
    """
    if len(errors) < 2 or np.ptp(errors) == 0:
        return None
    oracle = sparsification(errors, errors)
    return float((sparsification(errors, spread) - oracle).sum() / (errors.mean() - oracle).sum())


def auroc(confidence: Array, failed: NDArray[np.bool_]) -> float | None:
    """Probability that a failure is less confident than a success, ties counting half; none without both.

    From ranks (Mann-Whitney).
    """
    n_failed = int(failed.sum())
    n_right = len(failed) - n_failed
    if not n_failed or not n_right:
        return None
    _, tied, count = np.unique(confidence, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[tied]
    return float((rank[~failed].sum() - n_right * (n_right + 1) / 2) / (n_right * n_failed))


def mean_intervals(values: Array, blocks: NDArray[np.int64], seed: int = 0) -> Array:
    """(K, 2) 95 % intervals of the column means of values (N, K), NaN not counted, when whole blocks are drawn anew.

    `blocks` (N,) are numbers from 0. Pairs of one drive are alike, so a drive is one observation (Efron & Tibshirani
    1993, ch. 8). NaN where there is a single block, or most draws hold no value.
    """
    n, k = int(blocks.max(initial=-1)) + 1, values.shape[1]
    if n < 2:
        return np.full((k, 2), np.nan)
    sums = np.zeros((n, 2 * k))
    np.add.at(sums, blocks, np.hstack([np.nan_to_num(values), ~np.isnan(values)]))
    rng = np.random.default_rng(seed)
    drawn = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) @ sums for _ in range(DRAWS)])
    with np.errstate(invalid="ignore"):
        means = drawn[:, :k] / drawn[:, k:]
    return np.array([_interval(column[np.isfinite(column)]) for column in means.T])


def _interval(means: Array) -> Array:
    if len(means) < DRAWS / 2:
        return np.full(2, np.nan)
    bounds: Array = np.percentile(means, [2.5, 97.5])
    return bounds


class LiveConsistency:
    """Whether stated covariances are as large as the errors seen on the robot: against a static extrinsic, or against
    odometry from pose to pose. Counts the last `window` of them."""

    def __init__(self, window: int = 100, at_least: int = 20) -> None:
        self._nees: deque[float] = deque(maxlen=window)
        self._at_least = at_least

    def add(self, T_estimated: Pose, covariance: Array, T_known: Pose) -> None:
        """One more pose, its covariance (both as `PoseEstimate`), and where the camera was known to be."""
        found = normalised(*camera_error(T_estimated, covariance, T_known))
        self._nees.append(np.inf if found is None else found[0])

    @property
    def ratio(self) -> float | None:
        """How many times the errors are larger than stated, as variances, or none while there are too few.

        The median NEES over that of chi-square: a single wrong pose does not move it.
        """
        return float(np.median(self._nees)) / CHI2_MEDIAN if len(self._nees) >= self._at_least else None

    @property
    def overconfident(self) -> bool:
        """Whether errors are larger than OVERCONFIDENT times what is stated, as variances."""
        return self.ratio is not None and self.ratio > OVERCONFIDENT

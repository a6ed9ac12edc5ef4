# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Consistency of stated covariances and confidences with the errors: NEES, coverage, sparsification, AUROC."""

from __future__ import annotations

from collections import deque
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2p_ros.core.geometry import Array, Pose, to_camera_axes

AXES = ("right", "down", "forward", "about_right", "about_down", "about_forward")  # of the camera
LEVELS = (0.5, 0.9, 0.95, 0.99)
CALIBRATION_LEVELS = np.arange(1, 20) / 20  # 0.05 to 0.95
BOOTSTRAP_DRAWS = 1000
CHI2_MEDIAN = 5.348  # median of chi2(6)
OVERCONFIDENT = 2.0  # ratio of observed to stated variances from which a warning is due


def camera_error(T_estimated: Pose, covariance: Array, T_true: Pose) -> tuple[Array, Array]:
    """Error (6,) of the estimated camera along and about its axes, and its covariance (6, 6), in the order of AXES.

    Both poses are T_camera_lidar. `covariance` is that of the estimate in the coordinates of `Pose.retract`. The result
    has the same coordinates with the origin of the cloud at the estimated camera. There position and rotation are least
    correlated, and a far origin causes no second-order error. Units are m and rad.
    """
    centre = T_estimated.inverse().translation
    error = Pose(T_estimated.rotation, np.zeros(3)).local(Pose(T_true.rotation, T_true.apply(centre)))
    with np.errstate(invalid="ignore", over="ignore"):  # `normalised` refuses what is not finite
        return error, to_camera_axes(T_estimated, covariance)


def normalised(error: Array, covariance: Array) -> tuple[float, Array] | None:
    """NEES error^T covariance^-1 error, and the errors (6,) in units of their standard deviations.

    None where the covariance is not finite or not positive definite. For a true covariance the NEES has a chi-square
    distribution with 6 degrees of freedom (Bar-Shalom et al. 2001, sec. 5.4).
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
    """Distribution function of chi-square with 6 degrees of freedom. At a NEES it is the level of the smallest
    confidence ellipsoid that contains the true pose."""
    x = np.minimum(np.asarray(x, np.float64), 1e3)  # 1 there, and inf * 0 beyond
    return 1 - np.exp(-x / 2) * (1 + x / 2 + x**2 / 8)


def ellipsoid_level(nees: ArrayLike, degrees_of_freedom: ArrayLike = np.inf) -> Array:
    """Level of the smallest confidence ellipsoid that contains the true pose, of poses with a NEES.

    The error has a Student-t distribution with the stated covariance and these degrees of freedom nu > 2, or a Gaussian
    one where they are infinite. The NEES times nu / (nu - 2) / 6 then has an F distribution with 6 and nu degrees of
    freedom (Kotz and Nadarajah 2004, Multivariate t Distributions, sec. 1.2). With b = nu / 2 and y the share
    1 / (1 + NEES / (nu - 2)), its distribution function is 1 - y^b (1 + b (1 - y) + b (b + 1) / 2 (1 - y)^2).
    """
    nees, nu = np.broadcast_arrays(np.asarray(nees, np.float64), np.asarray(degrees_of_freedom, np.float64))
    finite = np.where(np.isfinite(nu), nu, 100.0)
    b, y = finite / 2, 1.0 / (1.0 + nees / (finite - 2.0))
    of_t = 1.0 - y**b * (1.0 + b * (1.0 - y) + b * (b + 1.0) / 2 * (1.0 - y) ** 2)
    return np.where(np.isfinite(nu), of_t, chi2_probability(nees))


def ellipsoid_radius(dimensions: int, degrees_of_freedom: float = np.inf, level: float = 0.95) -> float:
    """Radius, in standard deviations, of the confidence ellipsoid of so many of the coordinates of an error: 2 for an
    ellipse, 3 for an ellipsoid.

    The distribution is as in `ellipsoid_level`. With r = sqrt(nu - 2) tan(a), the density of the radius is proportional
    to sin(a)^(dimensions - 1) cos(a)^(nu - 1), and of a Gaussian to r^(dimensions - 1) exp(-r^2 / 2).
    """
    if np.isfinite(degrees_of_freedom):
        angles = np.linspace(0.0, np.pi / 2, 20001)[:-1]
        radii = np.sqrt(degrees_of_freedom - 2.0) * np.tan(angles)
        density = np.sin(angles) ** (dimensions - 1) * np.cos(angles) ** (degrees_of_freedom - 1.0)
    else:
        radii = np.linspace(0.0, 12.0, 20001)
        density = radii ** (dimensions - 1) * np.exp(-(radii**2) / 2)
    area = np.append(0.0, np.cumsum(density[1:] + density[:-1]))
    return float(np.interp(level, area / area[-1], radii))


def interval_level(z: ArrayLike, degrees_of_freedom: ArrayLike = np.inf) -> Array:
    """Level of the smallest interval that contains an error of z standard deviations, along or about one axis.

    The distribution is as in `ellipsoid_level`. With |z| = sqrt(nu - 2) tan(a), the density of a Student-t error is
    proportional to cos(a)^(nu - 1), which is integrated numerically.
    """
    z, nu = np.broadcast_arrays(np.abs(np.asarray(z, np.float64)), np.asarray(degrees_of_freedom, np.float64))
    level = np.array([2.0 * NormalDist().cdf(value) - 1.0 for value in z.ravel()]).reshape(z.shape)
    for one in np.unique(nu[np.isfinite(nu)]):
        angles = np.linspace(0.0, np.pi / 2, 2001)
        density = np.cos(angles) ** (one - 1.0)
        area = np.append(0.0, np.cumsum(density[1:] + density[:-1]))
        of_t = np.interp(np.arctan(z / np.sqrt(one - 2.0)), angles, area / area[-1])
        level = np.where(nu == one, of_t, level)
    return level


def coverage(nees: Array, levels: ArrayLike = LEVELS, degrees_of_freedom: ArrayLike = np.inf) -> Array:
    """Share (L,) of poses whose true pose lies inside the confidence ellipsoid of each level, from nees (N,)."""
    held: Array = (ellipsoid_level(nees, degrees_of_freedom)[:, None] <= np.asarray(levels)).mean(axis=0)
    return held


def axis_coverage(z: Array, level: float, degrees_of_freedom: ArrayLike = np.inf) -> Array:
    """Share (6,) of the normalised errors z (N, 6) inside the two-sided interval of the level, for each axis.

    `degrees_of_freedom` is a number, or one of each pose (N,).
    """
    nu = np.broadcast_to(np.asarray(degrees_of_freedom, np.float64), len(z))
    held: Array = (interval_level(z, nu[:, None]) <= level).mean(axis=0)
    return held


def calibration_error(nees: Array, degrees_of_freedom: ArrayLike = np.inf) -> float:
    """Mean gap between stated and observed coverage over the levels 0.05 to 0.95 (Kuleshov et al. 2018)."""
    observed = coverage(nees, CALIBRATION_LEVELS, degrees_of_freedom)
    return float(np.abs(observed - CALIBRATION_LEVELS).mean())


def sparsification(errors: Array, spread: Array) -> Array:
    """Mean error (N,) of the poses that remain without the k of largest `spread`, k = 0 to N - 1 (Ilg et al. 2018).

    Poses of equal spread have no order, so each counts with their mean error. `spread=errors` gives the oracle.
    """
    _, tied, count = np.unique(spread, return_inverse=True, return_counts=True)
    errors = (np.bincount(tied, errors) / count)[tied]
    kept = np.cumsum(errors[np.argsort(spread, kind="stable")]) / np.arange(1, len(errors) + 1)
    return kept[::-1]


def ause(errors: Array, spread: Array) -> float | None:
    """Area between the sparsification curve and that of the oracle, to the area of random order: 0 oracle, 1 random.

    None where all errors are equal, since all orders are then the same. In random order the mean error is constant.
    """
    if len(errors) < 2 or np.ptp(errors) == 0:
        return None
    oracle = sparsification(errors, errors)
    return float((sparsification(errors, spread) - oracle).sum() / (errors.mean() - oracle).sum())


def auroc(confidence: Array, failed: NDArray[np.bool_]) -> float | None:
    """Probability that a failure has less confidence than a success, by ranks (Mann-Whitney). Ties count half.

    None without a failure or without a success.
    """
    n_failed = int(failed.sum())
    n_right = len(failed) - n_failed
    if not n_failed or not n_right:
        return None
    _, tied, count = np.unique(confidence, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[tied]
    return float((rank[~failed].sum() - n_right * (n_right + 1) / 2) / (n_right * n_failed))


def mean_intervals(values: Array, blocks: NDArray[np.int64], seed: int = 0) -> Array:
    """95 % intervals (K, 2) of the column means of values (N, K), by a bootstrap of whole blocks. NaN are left out.

    `blocks` (N,) are block numbers from 0. Pairs of one drive are correlated, so a drive is one block (Efron &
    Tibshirani 1993, ch. 8). The interval is NaN for a single block, or where most draws have no value.
    """
    n, k = int(blocks.max(initial=-1)) + 1, values.shape[1]
    if n < 2:
        return np.full((k, 2), np.nan)
    sums = np.zeros((n, 2 * k))
    np.add.at(sums, blocks, np.hstack([np.nan_to_num(values), ~np.isnan(values)]))
    rng = np.random.default_rng(seed)
    drawn = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) @ sums for _ in range(BOOTSTRAP_DRAWS)])
    with np.errstate(invalid="ignore"):
        means = drawn[:, :k] / drawn[:, k:]
    return np.array([_interval(column[np.isfinite(column)]) for column in means.T])


def _interval(means: Array) -> Array:
    if len(means) < BOOTSTRAP_DRAWS / 2:
        return np.full(2, np.nan)
    bounds: Array = np.percentile(means, [2.5, 97.5])
    return bounds


class LiveConsistency:
    """Comparison of stated covariances with errors on the robot, over the last `window` poses.

    The reference is a static extrinsic calibration, or odometry from pose to pose.
    """

    def __init__(self, window: int = 100, at_least: int = 20) -> None:
        self._nees: deque[float] = deque(maxlen=window)
        self._at_least = at_least

    def add(self, T_estimated: Pose, covariance: Array, T_known: Pose) -> None:
        """Adds a pose with its covariance (both as in `PoseEstimate`), and the reference pose."""
        found = normalised(*camera_error(T_estimated, covariance, T_known))
        self._nees.append(np.inf if found is None else found[0])

    @property
    def ratio(self) -> float | None:
        """Ratio of observed to stated variances, None while there are too few poses.

        It is the median NEES to that of chi-square, which a single wrong pose does not change.
        """
        return float(np.median(self._nees)) / CHI2_MEDIAN if len(self._nees) >= self._at_least else None

    @property
    def overconfident(self) -> bool:
        """Whether `ratio` is above OVERCONFIDENT."""
        return self.ratio is not None and self.ratio > OVERCONFIDENT

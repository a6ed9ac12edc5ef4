# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Refinement of one drift that all pairs of a window share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from i2p_ros.alignment.mutual_information import InformationTerms
from i2p_ros.alignment.objective import Objective, distinct
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.patches import CELL_STRIDE, Ints
from i2p_ros.core.config import RefinementSettings
from i2p_ros.core.geometry import Array

GRID_ANGLES = np.radians([-2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25])
N_GRID_PAIRS, N_COARSE_PAIRS = 3, 5  # pairs that the grid and the coarse levels are evaluated with
N_FOLLOWED = 3  # local maxima that ascend on the next level
INFORMATION_DROP = 40.0  # nats: the curvature is measured as far from the maximum as the information falls by this
MIN_CURVATURE_SHARE = 0.05  # of the Gauss-Newton curvature: the least that a measured curvature may be


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """The drift of a window: `nominal.retract(delta)` is its T_camera_lidar.

    `delta` (6,) is in m and rad along camera axes, and `covariance` (6, 6) is that of its error. `information` is the
    mutual information of all pairs at delta, in nats, and `gain` its excess over that at the nominal calibration.
    `frames` is the number of pairs, and `stamp` (ns) that of the last one. `evidence` (C, 3) holds the row, column
    and nats of each cell of the image.
    """

    stamp: int
    delta: Array
    covariance: Array
    information: float = float("nan")
    gain: float = float("nan")
    frames: int = 1
    evidence: Array = field(default_factory=lambda: np.zeros((0, 3)))


def refine_window(
    pairs: Sequence[PairSignals], settings: RefinementSettings, stamp: int = 0, starts: Sequence[Array] = ()
) -> Drift:
    """The drift of largest posterior that all pairs of a window share. Their nominal calibration must be the same.

    The prior is a Gaussian about no drift with the deviations `settings.max_m` and `settings.max_deg`. On coarse levels
    the search ascends from no drift, from the `starts` (6,), such as the drift of the window before, from the best of a
    grid of rotations about no drift and about the last start, and from the maxima of the coarser level. On the finest
    level it ascends from the best of these maxima.
    """
    prior = np.diag(1.0 / np.repeat([settings.max_m, np.radians(settings.max_deg)], 3) ** 2)
    none, top = np.zeros(6), len(pairs[0].pyramid.levels) - 1
    grid_pairs, coarse_pairs = (pairs[:: -(-len(pairs) // most)] for most in (N_GRID_PAIRS, N_COARSE_PAIRS))

    on_grid = Objective(grid_pairs, prior, top)
    maxima = [on_grid.best(centre + _grid())[0] for centre in (none, *starts[-1:])]
    for level in range(top, 0, -1):
        coarse = Objective(coarse_pairs, prior, level)
        ascended = [coarse.ascend(drift, settings.iterations) for drift in distinct([*maxima, none, *starts])]
        maxima = coarse.best(distinct(ascended), N_FOLLOWED)
    finest = Objective(pairs, prior, 0)
    delta = finest.ascend(finest.best(maxima)[0], settings.iterations)
    terms, (nats, at_nominal) = finest.terms(delta), finest.information(np.array([delta, none])).tolist()
    covariance = _sandwich_covariance(terms, Objective(pairs[::2], prior, 0), delta)
    return Drift(stamp, delta, covariance, nats, nats - at_nominal, len(pairs), _evidence(terms))


def _evidence(terms: InformationTerms) -> Array:
    cells, at = np.unique(terms.cells, return_inverse=True)
    return np.column_stack([*np.divmod(cells, CELL_STRIDE), np.bincount(at, terms.information, len(cells))])


def _grid() -> Array:
    """(K, 6) drifts that rotate about the camera's x and y axes, which moves the image most."""
    return np.array([[0.0, 0.0, 0.0, x, y, 0.0] for x in GRID_ANGLES for y in GRID_ANGLES])


def _sandwich_covariance(terms: InformationTerms, objective: Objective, delta: Array) -> Array:
    """(6, 6) inv(H) B inv(H): the covariance of an estimate that maximizes no true likelihood (Huber 1967).

    `terms` are those of all pairs at delta, and `objective` is of some of the pairs. H is the curvature of the
    objective. B is the sum of the outer products of its gradients. Gradients in one cell of the image are summed first,
    because they are of the same things and not independent (Liang and Zeger 1986).

    The Gauss-Newton curvature is too large where a cloud explains an image badly. So it gives the directions alone, and
    H is measured along them, by differences of gradients where the information has fallen by INFORMATION_DROP.
    """
    prior = objective.prior
    by_cell = _sums_by_cell(terms.gradient, terms.cells)
    spread = by_cell.T @ by_cell + prior
    values, vectors = np.linalg.eigh(terms.curvature + prior)
    steps = vectors * np.sqrt(2.0 * INFORMATION_DROP / values)  # columns
    slopes = [
        objective.terms(delta - step).gradient.sum(axis=0) - objective.terms(delta + step).gradient.sum(axis=0)
        for step in steps.T
    ]
    measured = steps.T @ (0.5 * np.transpose(slopes) + prior @ steps)
    expected = np.einsum("ik,ij,jk->k", steps, objective.terms(delta).curvature + prior, steps)
    measured /= np.sqrt(np.outer(expected, expected))  # the identity if it is as expected
    share, rotation = np.linalg.eigh(0.5 * (measured + measured.T))
    root = steps @ rotation * np.sqrt(1.0 / (2.0 * INFORMATION_DROP))
    inverse = (root / np.clip(share, MIN_CURVATURE_SHARE, 1.0)) @ root.T
    return np.asarray(inverse @ spread @ inverse)


def _sums_by_cell(gradient: Array, cells: Ints) -> Array:
    """(C, 6) sums of gradients (M, 6) over each of C cells."""
    _, cell = np.unique(cells, return_inverse=True)
    sums = np.zeros((int(cell.max(initial=-1)) + 1, 6))
    np.add.at(sums, cell, gradient)
    return sums

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The mutual information of the image and the cloud of a pair, as a function of the drift.

Each signal is compared with its image channel in each patch. The nuisance terms are regressed out of both sides. With
rho the correlation of the residuals, n points of a patch have the mutual information

    I = -n/2 log(1 - rho^2)

in nats, if they are independent Gaussians (Cover and Thomas 2006, Elements of Information Theory, eq. 8.56). The sum
over patches and signals is largest near the true calibration.

For energies: E is the energy of the channel after regression, plus n NOISE_STD^2, and F the part of it that the signal
does not explain. Then 1 - rho^2 = F / E. The noise keeps patches of low contrast from counting.

The sums over points are in `kernels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2p_ros.alignment.kernels import information_of_drifts, terms_of_drift
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.patches import Ints, writable
from i2p_ros.core.geometry import Array

NOISE_STD = 2.0  # grey levels, of the image
ALL = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class InformationTerms:
    """The mutual information of M patches of signals, with its derivatives by the drift.

    `information` (M,) is in nats. `gradient` (M, 6) is by the drift, nats per m and rad. `cells` (M,) are the numbers
    of the image cells. `curvature` (6, 6) is the Gauss-Newton approximation of the negative Hessian of the sum.
    """

    information: Array
    gradient: Array
    cells: Ints
    curvature: Array

    @staticmethod
    def joined(terms: Sequence[InformationTerms]) -> InformationTerms:
        """The terms of several pairs."""
        if len(terms) == 1:
            return terms[0]
        return InformationTerms(
            np.concatenate([t.information for t in terms]),
            np.concatenate([t.gradient for t in terms]),
            np.concatenate([t.cells for t in terms]),
            np.sum([t.curvature for t in terms], axis=0),
        )


def information_terms(pair: PairSignals, drift: Array, level: int) -> InformationTerms:
    """The terms of one drift (6,), m and rad, of `Pose.retract` from the nominal calibration."""
    cells = np.tile(pair.cloud.cells, len(pair.pyramid.signals))
    if not len(cells):
        return InformationTerms(np.zeros(0), np.zeros((0, 6)), cells, np.zeros((6, 6)))
    texels, sides = pair.pyramid.texels[level], _sides(pair, level, pair.cloud.bounds)
    nats, gradient, curvature = terms_of_drift(texels, *sides, writable(drift), pair.rows, pair.regressed, NOISE_STD**2)
    return InformationTerms(nats.ravel(), gradient.reshape(-1, 6), cells, curvature)


def information(pair: PairSignals, drifts: Array, level: int, patches: slice = ALL) -> Array:
    """(K, C) mutual information of each signal at each of K drifts (K, 6), nats.

    The sum over patches of `information_terms` at a fraction of the cost, or over some of the patches.
    """
    bounds = np.ascontiguousarray(pair.cloud.bounds[patches])
    if not len(bounds):
        return np.zeros((len(drifts), len(pair.pyramid.signals)))
    sides = _sides(pair, level, bounds)
    return np.asarray(
        information_of_drifts(
            pair.pyramid.texels[level], *sides, writable(drifts), pair.rows, pair.regressed, NOISE_STD**2
        )
    )


def _sides(pair: PairSignals, level: int, bounds: Ints) -> tuple[Any, ...]:
    """The camera and the cloud, as kernels take them."""
    cloud = pair.cloud
    return pair.pyramid.intrinsics[level], cloud.rays, cloud.basis, bounds, cloud.translation

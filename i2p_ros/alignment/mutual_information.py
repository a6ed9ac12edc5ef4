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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from i2p_ros.alignment.pair_signals import SAMPLE_ROWS, PairSignals
from i2p_ros.alignment.patches import Ints
from i2p_ros.alignment.signals import Floats
from i2p_ros.core.geometry import Array

NOISE_STD = 2.0  # grey levels, of the image
BATCH = 32  # drifts: their samples fit into a cache


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
        """The terms of several signals or pairs."""
        return InformationTerms(
            np.concatenate([t.information for t in terms]),
            np.concatenate([t.gradient for t in terms]),
            np.concatenate([t.cells for t in terms]),
            np.sum([t.curvature for t in terms], axis=0),
        )


def information_terms(pair: PairSignals, drift: Array, level: int) -> InformationTerms:
    """The terms of one drift (6,), m and rad, of `Pose.retract` from the nominal calibration."""
    cloud = pair.cloud
    if not len(cloud.first):
        return InformationTerms(np.zeros(0), np.zeros((0, 6)), cloud.cells, np.zeros((6, 6)))
    rows = np.concatenate([cloud.basis, *pair.linearized(drift, level)])
    products = cloud.products(rows, rows.T)
    return InformationTerms.joined([_terms_of_channel(pair, k, products) for k in range(len(pair.pyramid.signals))])


def information(pair: PairSignals, drifts: Array, level: int) -> Array:
    """(K, C) mutual information of each signal at each of K drifts (K, 6), nats.

    The sum over patches of `information_terms` at a fraction of the cost. OpenCV may round pixels to 1/32 px.
    """
    if not len(pair.cloud.first):
        return np.zeros((len(drifts), len(pair.pyramid.signals)))
    rotations, translations = pair.cloud.motions(drifts)
    image, camera = np.ascontiguousarray(pair.pyramid.levels[level].transpose(1, 2, 0)), pair.pyramid.camera_at(level)
    parts = []
    for k in range(0, len(drifts), BATCH):
        u, v = pair.cloud.project(camera, rotations[k:][:BATCH], translations[k:][:BATCH])
        samples = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        parts.append(_information_of_samples(pair, np.asarray(samples, np.float32).reshape(*u.shape, -1)))
    return np.concatenate(parts)


def _information_of_samples(pair: PairSignals, samples: Floats) -> Array:
    """(K, C) mutual information of image samples (N, K, C) with the signals of the N points, nats."""
    cloud, (points, drifts, channels) = pair.cloud, samples.shape
    shared = cloud.products(cloud.basis, samples.reshape(points, -1))
    shared = np.square(shared, dtype=np.float64).reshape(len(cloud.first), -1, drifts, channels)  # (P, R, K, C)
    explained = np.cumsum(shared, axis=1)  # by the rows of the basis up to each
    ones = np.ones((1, points), np.float32)
    energy = cloud.products(ones, np.square(samples).reshape(points, -1)).reshape(-1, drifts, channels)  # (P, K, C)
    nats = []
    for k, signal in enumerate(pair.pyramid.signals):
        rest = energy[..., k] - explained[:, len(signal.regressed) - 1, :, k]
        total, unexplained = _energies(rest, shared[:, cloud.row_of(signal), :, k], cloud.counts[:, None])
        nats.append(0.5 * cloud.counts @ np.log(total / unexplained))
    return np.stack(nats, axis=1)


def _energies(rest: Any, shared: Any, n: Array) -> tuple[Array, Array]:
    """E and F of the module's docstring, from the energy after regression and the energy that the signal explains."""
    total = np.maximum(rest, 0.0) + n * NOISE_STD**2
    return total, np.maximum(total - shared, n * NOISE_STD**2)


def _terms_of_channel(pair: PairSignals, channel: int, products: Floats) -> InformationTerms:
    """The terms of one channel, from the products (P, R + 7 C, R + 7 C) of the basis and of the rows of all channels.

    I = n/2 (log E - log F). E and F are quadratic in the channel's values, which are linear in the drift.
    """
    signal, n = pair.pyramid.signals[channel], pair.cloud.counts
    start = len(pair.cloud.basis) + SAMPLE_ROWS * channel
    own = slice(start, start + SAMPLE_ROWS)
    nuisance = products[:, : len(signal.regressed), own].astype(np.float64)
    shared = products[:, pair.cloud.row_of(signal), own].astype(np.float64)
    rest = products[:, own, own] - nuisance.transpose(0, 2, 1) @ nuisance
    total, unexplained = _energies(rest[:, 0, 0], shared[:, 0] ** 2, n)
    nats = 0.5 * n * np.log(total / unexplained)
    slope, shared_slope = rest[:, 0, 1:], shared[:, :1] * shared[:, 1:]
    gradient = (n / total)[:, None] * slope - (n / unexplained)[:, None] * (slope - shared_slope)
    squares = rest[:, 1:, 1:] - shared[:, 1:, None] * shared[:, None, 1:]
    curvature = np.tensordot(n / unexplained - n / total, squares, axes=1)
    return InformationTerms(nats, gradient, pair.cloud.cells, curvature)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The mutual information in plain NumPy and double precision, patch after patch: the reference of the kernels."""

from typing import Any

import numpy as np

from i2p_ros.alignment.mutual_information import NOISE_STD, InformationTerms
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.core.geometry import Array, so3_exp


def reference_terms(pair: PairSignals, drift: Array, level: int) -> InformationTerms:
    """What `information_terms` computes: signal after signal, and of each patch after patch."""
    cloud, parts = pair.cloud, list[tuple[float, Array, Array]]()
    sampled = _lines(pair, drift, level)
    for signal, lines in zip(pair.pyramid.signals, sampled, strict=True):
        rows = [cloud.names.index(name) for name in signal.regressed]
        for start, end in cloud.bounds:
            basis = cloud.basis[:, start:end].astype(np.float64)
            parts.append(_patch(lines[:, start:end], basis[rows], basis[cloud.row_of(signal)]))
    return InformationTerms(
        np.array([nats for nats, _, _ in parts]),
        np.array([gradient for _, gradient, _ in parts]),
        np.tile(cloud.cells, len(pair.pyramid.signals)),
        np.sum([curvature for _, _, curvature in parts], axis=0),
    )


def _patch(lines: Array, nuisance: Array, row: Array) -> tuple[float, Array, Array]:
    """Information, gradient (6,) and curvature (6, 6) of one patch, from lines (7, n): values and derivatives."""
    floor = lines.shape[1] * NOISE_STD**2
    rest = lines - lines @ nuisance.T @ nuisance
    products, shared = rest @ rest.T, rest @ row
    total = products[0, 0] + floor
    unexplained = max(total - shared[0] ** 2, floor)
    n = lines.shape[1]
    slope = products[0, 1:]
    gradient = n / total * slope - n / unexplained * (slope - shared[0] * shared[1:])
    squares = products[1:, 1:] - np.outer(shared[1:], shared[1:])
    return 0.5 * n * np.log(total / unexplained), gradient, (n / unexplained - n / total) * squares


def _lines(pair: PairSignals, drift: Array, level: int) -> list[Array]:
    """For each channel its values at the points, and their derivatives by the drift: (7, N)."""
    camera, rays = pair.pyramid.camera_at(level), pair.cloud.rays.astype(np.float64)
    turned = so3_exp(drift[3:]) @ rays
    x, y, z = turned + (pair.cloud.translation + drift[:3])[:, None]
    z = np.maximum(z, 0.5)
    found = []
    for channel in pair.pyramid.levels[level].astype(np.float64):
        value, by_u, by_v = _bilinear(channel, camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy)
        force = np.stack(
            [by_u * camera.fx / z, by_v * camera.fy / z, -(by_u * camera.fx * x + by_v * camera.fy * y) / z**2]
        )
        found.append(np.vstack([value, force, np.cross(turned, force, axis=0)]))
    return found


def _bilinear(channel: Array, u: Array, v: Array) -> tuple[Any, Any, Any]:
    """Values of a channel (H, W), and their derivatives by u and v."""
    height, width = channel.shape
    u, v = np.clip(u, 0.0, width - 1.01), np.clip(v, 0.0, height - 1.01)
    left, top = u.astype(int), v.astype(int)
    a, b = u - left, v - top
    (p, q), (r, s) = [[channel[top + j, left + i] for i in (0, 1)] for j in (0, 1)]
    value = (1 - b) * ((1 - a) * p + a * q) + b * ((1 - a) * r + a * s)
    return value, (1 - b) * (q - p) + b * (s - r), (1 - a) * (r - p) + a * (s - q)

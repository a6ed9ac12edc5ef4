# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sweeps of made-up lidars of many kinds, without the simulator."""

import numpy as np


def sweep(seed: int, least: int = 1680) -> np.ndarray:
    """Points and intensity (N, 4) float64 of one sweep over a ground plane and walls, N a multiple of 840.

    Beams, field of view, height, noise, share of missing points and order of the points vary with the seed.
    """
    rng = np.random.default_rng(seed)
    beams, columns = rng.choice([16, 32, 40, 64, 128]), rng.integers(200, 1200)
    columns = max(columns, 2 * least // beams)
    down, up = rng.uniform(-30, -10), rng.uniform(2, 20)
    elevation, azimuth = np.radians(np.linspace(up, down, beams)), np.linspace(0, 2 * np.pi, columns, endpoint=False)
    by_ring = rng.random() < 0.5
    e, a = (x.ravel() for x in np.meshgrid(elevation, azimuth, indexing="ij" if by_ring else "xy"))
    walls = np.interp(a, np.linspace(0, 2 * np.pi, 40), rng.uniform(4, 80, 40))
    ground = rng.uniform(0.5, 2.5) / np.maximum(np.sin(-e), 1e-3)
    far = np.minimum(walls / np.cos(e), ground) + rng.normal(0, 0.02, len(a))
    xyz = far[:, None] * np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)
    intensity = np.clip(rng.gamma(2.0, 0.1, len(a)) + 0.2 * (far > walls), 0, 1)
    keep = np.flatnonzero(rng.random(len(a)) > rng.uniform(0, 0.3))
    if rng.random() < 0.3:
        keep = rng.permutation(keep)
    return np.column_stack([xyz, intensity])[keep[: len(keep) // 840 * 840]]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mutual information: its two implementations agree, and its derivatives are those of finite differences."""

import numpy as np
from helpers.alignment import SETTINGS, drive, offset, place

from i2p_ros.alignment.mutual_information import information, information_terms
from i2p_ros.alignment.pair_signals import PairSignals


def test_the_gradient_is_that_of_finite_differences() -> None:
    """Of each patch of each signal."""
    sample = drive(0, 1)[0]
    assert sample.T_camera_lidar is not None
    pair, at = (
        PairSignals.of(sample.pair, sample.T_camera_lidar, SETTINGS),
        np.array([0.01, -0.02, 0.015, 0.002, -0.001, 0.0015]),
    )
    gradient = information_terms(pair, at, 0).gradient
    for axis, size in enumerate([2e-4] * 3 + [2e-5] * 3):  # steps that few points cross a pixel with
        step = size * np.eye(6)[axis]
        ahead, behind = (information_terms(pair, at + sign * step, 0).information for sign in (1.0, -1.0))
        slope = (ahead - behind) / (2.0 * size)
        assert np.corrcoef(slope, gradient[:, axis])[0, 1] > 0.99
        assert 0.97 < slope @ gradient[:, axis] / (slope @ slope) < 1.03


def test_information_of_many_drifts_is_that_of_each() -> None:
    pair, true = place(2)
    signals = PairSignals.of(pair, true, SETTINGS)
    drifts = 0.1 * np.array([offset(k) for k in range(5)])
    patches = len(signals.cloud.first)
    for level in range(len(signals.pyramid.levels)):
        many = information(signals, drifts, level)
        for drift, both in zip(drifts, many, strict=True):
            nats = information_terms(signals, drift, level).information
            assert np.allclose([nats[:patches].sum(), nats[patches:].sum()], both, rtol=0.01)

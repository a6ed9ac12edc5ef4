# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drifts of windows of synthetic drives, whose calibration is exact."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.alignment import SETTINGS, drive

from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.window import Drift, refine_window
from i2p_ros.core.geometry import Array
from i2p_ros.core.types import Pair, PointCloud, Sample

CM_DEG = np.repeat([100.0, 180.0 / np.pi], 3)


def found(samples: tuple[Sample, ...], drift: Array) -> tuple[Drift, Array]:
    """The drift found from a nominal calibration that is off by `drift`, and its error."""
    true = samples[0].T_camera_lidar
    assert true is not None
    nominal = true.retract(-drift)
    answer = refine_window([PairSignals.of(s.pair, nominal, SETTINGS) for s in samples], SETTINGS)
    return answer, answer.delta - nominal.local(true)


def test_the_drift_of_a_window_is_found_to_a_centimetre_and_a_twentieth_of_a_degree() -> None:
    drift = np.array([0.04, -0.03, 0.05, *np.radians([0.4, -0.3, 0.5])])
    answers = [found(drive(seed, 20), drift * sign) for seed, sign in ((1, 1.0), (2, -1.0))]
    errors = np.abs([error * CM_DEG for _, error in answers])
    assert (np.median(errors, axis=0) < [1.0] * 3 + [0.05] * 3).all(), errors
    assert all(answer.gain > 100.0 for answer, _ in answers)


def test_the_drift_of_a_wide_fisheye_is_found_too() -> None:
    drift = np.array([0.04, -0.03, 0.05, *np.radians([0.4, -0.3, 0.5])])
    answer, error = found(drive(1, 10, "tum_vi"), drift)
    assert (np.abs(error * CM_DEG) < [4.0] * 3 + [0.2] * 3).all(), error * CM_DEG
    assert answer.gain > 50.0


def test_the_covariance_is_that_of_the_errors() -> None:
    windows = [drive(seed, 20)[start : start + 5] for seed in (1, 2) for start in (0, 5, 10, 15)]
    answers = [found(window, np.zeros(6)) for window in windows]
    nees = [error @ np.linalg.solve(answer.covariance, error) for answer, error in answers]
    assert 0.3 < np.mean(nees) / 6.0 < 3.0, nees  # the mean of 8 is known to about a third
    assert np.mean([np.abs(error) < 2.0 * np.sqrt(np.diag(a.covariance)) for a, error in answers]) > 0.85


def test_a_cloud_out_of_view_leaves_the_prior() -> None:
    sample = drive(0, 1)[0]
    behind = PointCloud(-np.abs(sample.pair.cloud.xyz), sample.pair.cloud.intensity)
    pair = Pair(sample.pair.image, sample.pair.camera, behind)
    assert sample.T_camera_lidar is not None
    answer = refine_window([PairSignals.of(pair, sample.T_camera_lidar, SETTINGS)], SETTINGS)
    assert np.allclose(answer.delta, 0.0)
    assert np.allclose(np.sqrt(np.diag(answer.covariance)), [0.3] * 3 + [np.radians(3.0)] * 3)


@pytest.mark.parametrize("shade", [0, 255])
def test_a_blank_image_leaves_the_prior(shade: int) -> None:
    sample = drive(0, 1)[0]
    pair = Pair(np.full_like(sample.pair.image, shade), sample.pair.camera, sample.pair.cloud)
    assert sample.T_camera_lidar is not None
    answer = refine_window([PairSignals.of(pair, sample.T_camera_lidar, SETTINGS)], SETTINGS)
    assert np.allclose(np.sqrt(np.diag(answer.covariance)), [0.3] * 3 + [np.radians(3.0)] * 3, rtol=0.01)


def test_a_cloud_without_intensity_still_has_jumps_of_range() -> None:
    drift = np.radians(0.5) * np.eye(6)[4]
    for seed in (1, 2, 3):
        samples = drive(seed, 10)
        bare = tuple(replace(s, pair=replace(s.pair, cloud=PointCloud(s.pair.cloud.xyz))) for s in samples)
        (answer, error), (full, _) = found(bare, drift), found(samples, drift)
        assert abs(error[4]) < np.radians(0.2)
        assert np.trace(answer.covariance) > np.trace(full.covariance)


def test_a_drift_of_two_degrees_is_found_too() -> None:
    _, error = found(drive(2, 6), np.array([0.1, -0.1, 0.1, *np.radians([1.5, -1.5, 0.8])]))
    assert (np.abs(error * CM_DEG) < [3.0] * 3 + [0.15] * 3).all(), error * CM_DEG

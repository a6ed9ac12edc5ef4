# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mutual information: its kernels agree with a reference, and its derivatives are those of finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.alignment import SETTINGS, drive, offset, place
from helpers.alignment_reference import reference_terms

from i2p_ros.alignment.mutual_information import information, information_terms
from i2p_ros.alignment.pair_signals import PairSignals
from i2p_ros.alignment.pyramid import ImagePyramid, predicted_pyramid
from i2p_ros.alignment.signals import LIDAR


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


@pytest.mark.parametrize("level", range(3))
def test_the_kernels_agree_with_the_reference(level: int) -> None:
    signals, drifts = _signals(2), 0.1 * np.array([offset(k) for k in range(5)])
    for drift, many in zip(drifts, information(signals, drifts, level), strict=True):
        found, expected = information_terms(signals, drift, level), reference_terms(signals, drift, level)
        assert np.array_equal(found.cells, expected.cells)
        for name in ("information", "gradient", "curvature"):
            reference = getattr(expected, name)
            error = np.abs(getattr(found, name) - reference) / np.abs(reference).max()
            assert np.quantile(error, 0.75) < 1e-5, name
            assert error.max() < 0.01, f"{name}: a point on the border of a pixel may have the slope of the next one"
        by_signal = expected.information.reshape(len(many), -1).sum(axis=1)
        np.testing.assert_allclose(many, by_signal, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_any_number_of_channels_agrees_with_the_reference(channels: int) -> None:
    """They are computed four at a time."""
    pair, true = place(2)
    signals = (LIDAR.signals * 2)[:channels]
    image = np.random.default_rng(0).normal(0.0, 20.0, (channels, pair.camera.height, pair.camera.width))
    pyramid = predicted_pyramid(pair.camera.undistorted, image.astype(np.float32), signals)
    given, drift = PairSignals.of(pair, true, SETTINGS, pyramid), 0.1 * offset(0)
    expected = reference_terms(given, drift, 1).information.reshape(channels, -1).sum(axis=1)
    np.testing.assert_allclose(information(given, drift[None], 1)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("drift", [[1e6, 0, 0, 0, 0, 0], [0, 0, -1e3, 0, 0, 0], [0, 0, 0, 0, 3.0, 0], [np.nan] * 6])
def test_points_that_leave_the_image_have_the_values_of_its_border(drift: list[float]) -> None:
    """Also far behind the camera, and for a drift that is not a number: the kernels read nothing beyond the image."""
    found = information(_signals(2), np.array([drift]), 0)
    assert found.shape == (1, 2) and (found >= 0.0).all() and (found < 1e6).all()


@pytest.mark.parametrize(("height", "width"), [(1, 512), (160, 1), (1, 1)])
def test_an_image_of_one_row_or_column_has_no_information(height: int, width: int) -> None:
    signals = _signals(2)
    thin = np.zeros((2, height, width), np.float32)
    pyramid = ImagePyramid(signals.pyramid.camera, (thin,), signals.pyramid.signals)
    assert not information(replace(signals, pyramid=pyramid), np.zeros((1, 6)), 0).any()


def _signals(k: int) -> PairSignals:
    pair, true = place(k)
    return PairSignals.of(pair, true, SETTINGS)

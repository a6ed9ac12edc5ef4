# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of intensities, by their type and their largest values."""

import numpy as np
import pytest

from i2p_ros.core.intensity import unit_intensity


@pytest.mark.parametrize(
    ("largest", "kind", "scale"),
    [
        (1.0, "f4", 1), (1.4, "f4", 1), (2.0, "f4", 255), (255.0, "f4", 255), (255.5, "f4", 65535),
        (1, "u1", 255), (255, "u1", 255), (127, "i1", 127), (1, "u2", 255), (255, "u2", 255), (256, "u2", 65535),
        (1000.0, "f8", 65535), (65535, "u2", 65535), (255, "i4", 255), (300, "i4", 65535), (70_000, "u8", 65535),
    ],
)  # fmt: skip
def test_the_largest_value_gives_the_scale(largest, kind, scale):
    values = np.array([0, largest // 2, largest], kind)
    np.testing.assert_allclose(unit_intensity(values), np.minimum(values / scale, 1), atol=1e-7)


@pytest.mark.parametrize("outliers", [1, 20])
@pytest.mark.parametrize(
    ("usual", "odd", "kind", "scale"), [(1.0, 3.0, "f4", 1), (255.0, 300.0, "f4", 255), (255, 300, "u2", 255)]
)
def test_a_few_points_above_the_scale_do_not_change_it(usual, odd, kind, scale, outliers):
    values = np.linspace(0, usual, 20_000).astype(kind)
    expected = np.minimum(values / scale, 1)
    values[::1000][:outliers], expected[::1000][:outliers] = odd, 1
    np.testing.assert_allclose(unit_intensity(values), expected, atol=1e-6)


def test_photon_counts_have_one_scale_however_few_points_are_bright():
    rng = np.random.default_rng(0)
    for bright in (0.003, 0.01, 0.3):  # share of the points that are measured
        values = np.where(rng.random(65_536) < bright, 900, 80).astype("u2")
        values[rng.random(65_536) < 0.6] = 0  # no echo
        np.testing.assert_allclose(unit_intensity(values), values / 65535, atol=1e-6)


def test_the_brightest_point_of_a_short_cloud_counts():
    values = np.array([0] * 900 + [80] * 90 + [900] * 9, "u2")
    np.testing.assert_allclose(unit_intensity(values), values / 65535, atol=1e-6)


def test_what_is_no_intensity_is_dark():
    values = np.array([np.nan, np.inf, -np.inf, -3.0, 100.0, 200.0])
    np.testing.assert_allclose(unit_intensity(values), np.array([0, 0, 0, 0, 100, 200]) / 255)
    assert unit_intensity(np.full(3, np.nan)).tolist() == [0, 0, 0]
    assert unit_intensity(np.zeros(0, "f4")).shape == (0,)
    np.testing.assert_array_equal(unit_intensity(np.array([-5, -1], "i2")), [0, 0])

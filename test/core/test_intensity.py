# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of intensities, by their type and their largest value."""

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


def test_what_is_no_intensity_is_dark():
    values = np.array([np.nan, np.inf, -np.inf, -3.0, 100.0, 200.0])
    np.testing.assert_allclose(unit_intensity(values), np.array([0, 0, 0, 0, 100, 200]) / 255)
    assert unit_intensity(np.full(3, np.nan)).tolist() == [0, 0, 0]
    assert unit_intensity(np.zeros(0, "f4")).shape == (0,)
    np.testing.assert_array_equal(unit_intensity(np.array([-5, -1], "i2")), [0, 0])

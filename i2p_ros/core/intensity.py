# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scale of intensities. Messages and files use the same rule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 1.5  # floats up to here are in 0..1 already: some drivers calibrate them, and exceed 1 a little
EIGHT_BITS, SIXTEEN_BITS = 255, 65535
OUTLIERS = 0.002  # share of values; photon counts of usual scenes have more above 255


def unit_intensity(values: NDArray[Any]) -> NDArray[np.float32]:
    """Intensity (N,) in 0..1. Values that are negative or not finite become 0, and those above the scale 1.

    The scale is that of the largest value: 1 for floats within 0..1, 255 for values within 0..255, and 65535 for any
    others, as Ouster's counts of photons. OUTLIERS of the values above 0 may be larger: one odd point must not darken
    a cloud. Integers of one byte have the scale of their type.

    The rule knows one cloud only. Clouds of one stream whose largest values are on both sides of 255 get two scales.
    This does not happen to a driver that writes one byte, or to photon counts of usual scenes, which exceed 255 in
    every cloud. Where it happens, `node.intensity_field` may name another field, such as Ouster's `reflectivity`.
    """
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values, 0)
    return np.clip(values / _scale(values), 0.0, 1.0).astype(np.float32)


def _scale(values: NDArray[Any]) -> float:
    """Number by which intensities are divided."""
    if values.dtype.kind in "iu" and values.dtype.itemsize == 1:
        return float(np.iinfo(values.dtype).max)
    largest = _largest(values[values > 0])
    if values.dtype.kind == "f" and largest <= UNIT:
        return 1.0
    return float(EIGHT_BITS if largest <= EIGHT_BITS else SIXTEEN_BITS)


def _largest(values: NDArray[Any]) -> float:
    """The largest of the values (N,) without OUTLIERS, or 0 if there are none."""
    if not len(values):
        return 0.0
    place = len(values) - 1 - int(OUTLIERS * len(values))
    return float(np.partition(values, place)[place])

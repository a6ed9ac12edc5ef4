# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Averages of values of which some are None. Those are left out. Without any other, the average is None."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def median(values: Iterable[float | None]) -> float | None:
    """Median of numbers."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def medians(values: Iterable[Sequence[float] | None]) -> list[float] | None:
    """Median of each column of rows."""
    known = [value for value in values if value is not None]
    return np.median(known, axis=0).tolist() if known else None


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of numbers."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers as JSON and tables take them."""

from __future__ import annotations

from math import isfinite


def finite(value: float) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return float(value) if isfinite(value) else None

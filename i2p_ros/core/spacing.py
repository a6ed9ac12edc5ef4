# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evenly spaced choices of a sequence."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

A = TypeVar("A", bound=Any)


def evenly_spaced(length: int, most: int) -> list[int]:
    """At most so many indices of a sequence of a length, from the first to the last, each once."""
    if not length:
        return []
    return [int(k) for k in np.unique(np.linspace(0, length - 1, most).round().astype(int))]


def thinned(values: A, most: int) -> A:
    """Every k-th of a sequence or of the rows of an array, from the first on, with the least k that leaves at most so
    many."""
    thin: A = values[:: max(1, -(-len(values) // most))]
    return thin

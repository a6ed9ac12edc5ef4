# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checked reading of the attributes of untrusted messages."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array


def attribute(message: Any, *names: str) -> Any:
    """Value of the first of the names that the message has: some differ between ROS 1 and ROS 2.

    Raises InputError `message.type` if it has none of them.
    """
    for name in names:
        if hasattr(message, name):
            return getattr(message, name)
    raise InputError(f"a {type(message).__name__} has no {names[0]!r}: it is another type of message", "message.type")


def integer(message: Any, *names: str) -> int:
    """Value of an attribute that must be an integer; else InputError `message.type`."""
    value = attribute(message, *names)
    try:
        return operator.index(value)
    except TypeError as error:
        raise InputError(f"{names[0]} must be an integer, got {value!r}", "message.type") from error


def numbers(values: Any, count: int | None, reason: str) -> Array:
    """Numbers (count,) float64 of a list or array; InputError `reason` for anything else."""
    try:
        numbers = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"expected numbers, got {values!r}", reason) from error
    if count is not None and numbers.size != count:
        raise InputError(f"expected {count} numbers, got {numbers.size}", reason)
    return numbers


def bytes_of(message: Any, name: str = "data") -> NDArray[np.uint8]:
    """View (N,) uint8 of the data of a message, which may be bytes, array.array or a NumPy array."""
    data = attribute(message, name)
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise InputError(f"the data of a message must be bytes, got a {type(data).__name__}", "message.type") from error

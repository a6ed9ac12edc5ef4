# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work that may run in parallel, and work that is done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")
T_co = TypeVar("T_co", covariant=True)


class Both(Protocol):
    """Runs two functions that do not depend on each other, in turn or in parallel, and returns both results."""

    def __call__(self, one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]: ...


def in_turn(one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]:
    """The results of one function and then of the other."""
    return one(), other()


class Lazy(Generic[T_co]):
    """A value that is computed when it is first asked for. One thread at a time may ask."""

    def __init__(self, compute: Callable[[], T_co]) -> None:
        self._compute, self.ready = compute, False
        self._value: Any = None

    def __call__(self) -> T_co:
        """The value. Raises what computing it raises; it is computed again then."""
        if not self.ready:
            self._value, self.ready = self._compute(), True
        value: T_co = self._value
        return value

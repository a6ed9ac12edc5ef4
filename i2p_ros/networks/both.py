# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two things that do not wait for one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Both(Protocol):
    """Runs two things, in turn or beside each other, and gives what both give."""

    def __call__(self, one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]: ...


def in_turn(one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]:
    """One, then the other."""
    return one(), other()

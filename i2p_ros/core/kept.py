# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results that are kept for the newest arguments of a function."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Kept(Generic[A, R]):
    """A function that computes its result once for the same argument, of the `most` newest ones.

    By default an argument is the same if it is the same object. Threads may share it: one computes, the others wait.
    What the function raises is raised, and computed again at the next call.
    """

    def __init__(
        self, compute: Callable[[A], R], same: Callable[[A, A], bool] = operator.is_, most: int = 2
    ) -> None:  # fmt: skip
        self._compute, self._same = compute, same
        self._newest: deque[tuple[A, R]] = deque(maxlen=most)
        self._lock = Lock()

    def __call__(self, argument: A) -> R:
        with self._lock:
            for known, result in self._newest:
                if self._same(known, argument):
                    return result
            result = self._compute(argument)
            self._newest.append((argument, result))
            return result

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that runs the newest job of each key in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class NewestWorker(Generic[K, T]):
    """Runs `work` on the newest job of each key, in a thread of its own. The key that has waited longest is next.

    A waiting job is replaced by a newer one of its key. `work` must not raise. `busy` is the key of the running job and
    the time.monotonic() of its start, or none.
    """

    def __init__(self, work: Callable[[K, T], None]) -> None:
        self.busy: tuple[K, float] | None = None
        self._work = work
        self._waiting: dict[K, T] = {}  # in the order of turns
        self._stopping = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def put(self, key: K, job: T) -> T | None:
        """Make this the next job of its key. Returns the waiting job that it replaces, or none."""
        with self._change:
            overtaken = self._waiting.get(key)
            self._waiting[key] = job
            self._change.notify()
        return overtaken

    def stop(self, timeout_s: float) -> bool:
        """Start no more jobs. Returns whether the running one has ended within the time."""
        with self._change:
            self._stopping = True
            self._change.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            self.busy = turn[0], time.monotonic()
            self._work(*turn)
            self.busy = None
            del turn  # a cloud must not stay in memory until the next one comes

    def _next(self) -> tuple[K, T] | None:
        with self._change:
            self._change.wait_for(lambda: self._stopping or bool(self._waiting))
            if self._stopping:
                return None
            key = next(iter(self._waiting))
            return key, self._waiting.pop(key)

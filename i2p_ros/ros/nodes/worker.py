# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that run the newest job of each key in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class NewestWorker(Generic[K, T]):
    """Runs `work` on the newest job of each key, in `threads` threads of its own. The key that has waited longest is
    next.

    A waiting job is replaced by a newer one of its key. A key has one running job at a time. `work` must not raise.
    """

    def __init__(self, work: Callable[[K, T], None], threads: int = 1) -> None:
        self._work = work
        self._waiting: dict[K, T] = {}  # in the order of turns
        self._running: dict[K, float] = {}  # time.monotonic() of the start
        self._stopping = False
        self._change = threading.Condition()
        self._threads = [threading.Thread(target=self._run, name=f"worker {k}", daemon=True) for k in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, key: K, job: T) -> T | None:
        """Make this the next job of its key. Returns the waiting job that it replaces, or none."""
        with self._change:
            overtaken = self._waiting.get(key)
            self._waiting[key] = job
            self._change.notify()
        return overtaken

    def busy_since(self, key: K | None = None) -> float | None:
        """The time.monotonic() of the start of the oldest running job (of a key), or none."""
        with self._change:
            return min((since for running, since in self._running.items() if key in (None, running)), default=None)

    def stop(self, timeout_s: float) -> bool:
        """Start no more jobs. Returns whether those that run have ended within the time."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            self._work(*turn)
            with self._change:
                del self._running[turn[0]]
                self._change.notify()  # a job of this key may wait
            del turn  # a cloud must not stay in memory until the next one comes

    def _next(self) -> tuple[K, T] | None:
        with self._change:
            self._change.wait_for(lambda: self._stopping or self._idle_keys())
            if self._stopping:
                return None
            key = self._idle_keys()[0]
            self._running[key] = time.monotonic()
            return key, self._waiting.pop(key)

    def _idle_keys(self) -> list[K]:
        """Keys with a waiting job and no running one, in the order of turns."""
        return [key for key in self._waiting if key not in self._running]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that takes the newest job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestWorker(Generic[T]):
    """Runs `work` on the newest job in a thread of its own. A job that is overtaken while it waits is not run.

    `work` must not raise. `busy_since` is time.monotonic() of the start of the running job, or none.
    """

    def __init__(self, work: Callable[[T], None]) -> None:
        self.busy_since: float | None = None
        self._work = work
        self._waiting: T | None = None
        self._stopping = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def put(self, job: T) -> T | None:
        """Make this the next job; the older job that it overtakes comes back."""
        with self._change:
            overtaken, self._waiting = self._waiting, job
            self._change.notify()
        return overtaken

    def stop(self, timeout_s: float) -> bool:
        """Take no more jobs; whether the running one has ended within the time."""
        with self._change:
            self._stopping = True
            self._change.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self.busy_since = time.monotonic()
            self._work(job)
            self.busy_since = None

    def _next(self) -> T | None:
        with self._change:
            self._change.wait_for(lambda: self._stopping or self._waiting is not None)
            job, self._waiting = self._waiting, None
            return None if self._stopping else job

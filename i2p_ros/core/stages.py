# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of the named stages of the work on a pair, s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Record:
    """Seconds of each stage without those of the stages inside it, by name, in the order in which they first began.

    `settle` waits until a device has finished its work: the clock is read after it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    settle: Callable[[], None] = field(default=lambda: None)
    _open: list[tuple[str, float]] = field(default_factory=list)  # name, and the time inside stages within it

    @property
    def running(self) -> str | None:
        """Name of the innermost stage that is running, None outside any."""
        return self._open[-1][0] if self._open else None

    @contextmanager
    def run(self, name: str) -> Iterator[None]:
        """See `stage`."""
        self.seconds.setdefault(name, 0.0)
        self._open.append((name, 0.0))
        self.settle()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.settle()
            whole = time.perf_counter() - start
            _, inside = self._open.pop()
            self.seconds[name] += whole - inside
            if self._open:
                outer, before = self._open[-1]
                self._open[-1] = outer, before + whole


_record: ContextVar[Record | None] = ContextVar("record", default=None)


@contextmanager
def recording(settle: Callable[[], None] | None = None) -> Iterator[Record]:
    """Record of the stages that this thread runs until the end of the block.

    A record within another one settles as the outer one does, and adds its seconds to the outer one at its end.
    """
    outer = _record.get()
    record = Record(settle=settle or (outer.settle if outer else lambda: None))
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)
        if outer:
            for name, seconds in record.seconds.items():
                outer.seconds[name] = outer.seconds.get(name, 0.0) + seconds


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Stage of the name until the end of the block, if this thread records; else nothing."""
    record = _record.get()
    if record is None:
        yield
        return
    with record.run(name):
        yield


def running_stage() -> str | None:
    """Name of the innermost stage that this thread runs and records, None outside any."""
    record = _record.get()
    return record.running if record else None

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time goes: named stages of the work on a pair, with what `i2p bench` compares it with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Work:
    """Seconds of a stage without those of stages inside it, and what it computed: operations and bytes moved."""

    seconds: float = 0.0
    flop: float = 0.0
    byte: float = 0.0

    def add(self, other: Work) -> None:
        """Take in other work."""
        self.seconds += other.seconds
        self.flop += other.flop
        self.byte += other.byte


@dataclass
class Record:
    """The work of each stage, by name, in the order in which they first began.

    `settle` waits until a device has done what it was asked: the clock is read after it.
    """

    stages: dict[str, Work] = field(default_factory=dict)
    settle: Callable[[], None] = field(default=lambda: None)
    _open: list[tuple[str, float]] = field(default_factory=list)  # name, and the time inside stages within it

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, by name."""
        return {name: work.seconds for name, work in self.stages.items()}

    @property
    def current(self) -> Work:
        """Of the innermost stage that is running; outside any, one that nobody looks at."""
        return self.stages[self._open[-1][0]] if self._open else Work()

    @contextmanager
    def run(self, name: str) -> Iterator[None]:
        """See `stage`."""
        self.stages.setdefault(name, Work())
        self._open.append((name, 0.0))
        self.settle()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.settle()
            whole = time.perf_counter() - start
            _, inside = self._open.pop()
            self.stages[name].seconds += whole - inside
            if self._open:
                outer, before = self._open[-1]
                self._open[-1] = outer, before + whole


_record: ContextVar[Record | None] = ContextVar("record", default=None)


@contextmanager
def recording(settle: Callable[[], None] | None = None) -> Iterator[Record]:
    """A record of what this thread does until the end of the block; one within another adds to it in the end, and
    settles as it does."""
    outer = _record.get()
    record = Record(settle=settle or (outer.settle if outer else lambda: None))
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)
        if outer:
            for name, work in record.stages.items():
                outer.stages.setdefault(name, Work()).add(work)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Work until the end of the block is that of the named stage."""
    record = _record.get()
    if record is None:
        yield
        return
    with record.run(name):
        yield


def worked(flop: float = 0.0, byte: float = 0.0) -> None:
    """Count operations, and bytes that must be read or written, for the running stage."""
    record = _record.get()
    if record is not None:
        record.current.flop += flop
        record.current.byte += byte

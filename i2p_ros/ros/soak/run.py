# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The soak test: pairs and faults over DDS to a localizer node in a second process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.context import Context

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, InputError
from i2p_ros.ros.replay.process import LocalizerProcess, start_localizer
from i2p_ros.ros.soak.injector import SETTLE_S, Injector
from i2p_ros.ros.soak.schedule import Schedule
from i2p_ros.ros.soak.tally import Tally

LAST_S = 3.0  # wait for the last answers and counters
MOST_CRASHES = 10


def soak(
    settings: Settings, minutes: float, seed: int, rate_hz: float, share: float, progress: Callable[[float], None]
) -> dict[str, Any]:
    """The numbers of a soak test of a length in minutes, with a share of faults among its events.

    A node that dies is counted and started again. Raises I2PError if it does not start at all.
    """
    tally, schedule = Tally(), Schedule(settings, seed, rate_hz, share)
    while tally.elapsed < 60.0 * minutes and len(tally.crashes) < MOST_CRASHES:
        with start_localizer(settings) as process:
            try:
                _run(tally, schedule, process, 60.0 * minutes, progress)
            except I2PError as error:
                if process.popen.poll() is None:
                    raise
                tally.crashes.append(str(error))
    return {"minutes": minutes, "seed": seed, "rate_hz": rate_hz, "share": share, **tally.report()}


def _run(
    tally: Tally, schedule: Schedule, process: LocalizerProcess, until: float, progress: Callable[[float], None]
) -> None:
    """Run events until a total time (s). Raises I2PError if the node dies."""
    context = Context()
    context.init()
    injector = Injector(tally, context)
    try:
        _connect(injector, process)
        started, before = time.monotonic(), tally.elapsed
        while tally.elapsed < until:
            process.check()
            schedule.step(injector, process)
            tally.elapsed = before + time.monotonic() - started
            if not tally.memory or tally.elapsed - tally.memory[-1][0] > 1.0:
                tally.memory.append((tally.elapsed, *_size_of(process.popen.pid)))
                progress(tally.elapsed)
        injector.spin(LAST_S)
        process.check()
    finally:
        tally.dropped.update(injector.counters)
        injector.destroy_node()
        context.try_shutdown()


def _connect(injector: Injector, process: LocalizerProcess) -> None:
    """Wait until the nodes are connected. Raises InputError after 30 s."""
    end = time.monotonic() + 30.0
    while not injector.connected:
        process.check()
        if time.monotonic() > end:
            raise InputError("no connection to the localizer node", "localizer.missing")
        injector.spin(SETTLE_S)


def _size_of(pid: int) -> tuple[float, int]:
    """Resident memory (MB) and number of threads of a process."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, sum(1 for _ in (folder / "task").iterdir())

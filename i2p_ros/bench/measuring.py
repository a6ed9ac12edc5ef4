# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of a call, also beside a process that keeps one core busy."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from i2p_ros.bench.inputs import MessagePair, resampled, synthetic_pairs
from i2p_ros.core.config import Settings
from i2p_ros.core.types import PoseEstimate
from i2p_ros.localizer import Localizer, load

SPIN = "while True: pass"
REPEATS = 3  # timed calls of a median, after one that is not counted


def localized(localizer: Localizer, messages: MessagePair) -> PoseEstimate:
    """Estimate from messages: they are decoded, and the pair is localized."""
    return localizer.localize_pair(messages.decoded())


def tracked(localizer: Localizer, messages: MessagePair) -> PoseEstimate:
    """As `localized`, with the prior of the messages."""
    return localizer.localize_pair(messages.decoded(), messages.prior)


def clocked(work: Callable[..., Any], *arguments: Any) -> tuple[tuple[float, float], Any]:
    """Wall time and time of all cores together of a call, both in ms, and its result."""
    start, before = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return (1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - before)), result


def median_ms(work: Callable[..., Any], *arguments: Any) -> float:
    """Median wall time of a call, ms; the first call is not counted."""
    return float(np.median([clocked(work, *arguments)[0][0] for _ in range(1 + REPEATS)][1:]))


def summary(times: Any) -> dict[str, float]:
    """Median, 95th percentile and mean of times (N,)."""
    return {"median": float(np.median(times)), "p95": float(np.percentile(times, 95)), "mean": float(times.mean())}


@contextmanager
def neighbour() -> Iterator[Callable[[], Any]]:
    """Context manager `busy`, in whose blocks another process keeps one core busy; outside them it is stopped."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    process.send_signal(signal.SIGSTOP)

    @contextmanager
    def busy() -> Iterator[None]:
        process.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            process.send_signal(signal.SIGSTOP)

    try:
        yield busy
    finally:
        process.kill()
        process.wait()


def peak_mb_of_process(settings: Settings, model: str, size: Mapping[str, int]) -> float:
    """Most resident memory of a new process that localizes pairs of a size, MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(peak_mb, settings, model, size).result()


def peak_mb(settings: Settings, model: str, size: Mapping[str, int]) -> float:
    """Most resident memory of this process, MB, while it localizes pairs of a size."""
    messages = resampled(synthetic_pairs(1, settings)[0], size["width"], size["height"], size["points"])
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of making the pair
    localizer = load(model, settings)
    for _ in range(2):
        localized(localizer, messages)
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024.0


def cpu_name() -> str:
    """Model of the processor and number of cores that this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores"

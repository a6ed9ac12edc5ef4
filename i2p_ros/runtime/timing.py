# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a call on a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from i2p_ros.runtime.torch_runtime import settle

RUNS = 5  # timed calls


def best_s(run: Callable[[], Any], device: torch.device) -> float:
    """Least wall time of a few calls, s. The call before them is not counted: it loads code and touches new memory."""
    return _best_of_each([run], device, time.perf_counter)[0]


def raced_s(runs: Sequence[Callable[[], Any]], device: torch.device) -> list[float]:
    """Least time of a few calls of each function, s. They take turns, so that other load hits them alike.

    On the CPU it is the time of all cores together, which other processes disturb less than wall time.
    """
    return _best_of_each(runs, device, time.process_time if device.type == "cpu" else time.perf_counter)


def _best_of_each(
    runs: Sequence[Callable[[], Any]], device: torch.device, clock: Callable[[], float]
) -> list[float]:  # fmt: skip
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(RUNS + 1):
        for run, taken in zip(runs, times, strict=True):
            settle(device)
            start = clock()
            run()
            settle(device)
            taken.append(clock() - start)
    return [min(taken[1:]) for taken in times]

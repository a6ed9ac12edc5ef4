# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time of a call on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from i2p_ros.runtime.torch_runtime import settle

RUNS = 5  # timed calls


def best_s(run: Callable[[], Any], device: torch.device) -> float:
    """Least wall time of a few calls, s. The call before them is not counted: it loads code and touches new memory."""
    times = []
    for _ in range(RUNS + 1):
        settle(device)
        start = time.perf_counter()
        run()
        settle(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates that a machine reaches, and the least time that it needs for counted work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

from i2p_ros.runtime.timing import best_s

SIDE = 1024  # rows and columns of the matrices: 2.1 GFLOP a product, which hides the overhead of a call
COPIED = 1 << 26  # numbers: 256 MB, far more than any cache


@dataclass(frozen=True)
class Machine:
    """Rates that a device reaches: `gflops` in products of float32 matrices, `gbytes` a second read and written."""

    gflops: float
    gbytes: float

    @staticmethod
    def median(machines: Sequence[Machine]) -> Machine:
        """Machine of the median rates of several measurements."""
        return Machine(median(m.gflops for m in machines), median(m.gbytes for m in machines))

    def floor_ms(self, flop: float, byte: float) -> float:
        """Least time for the work, ms: computing and moving may overlap."""
        return 1e3 * max(flop / (self.gflops * 1e9), byte / (self.gbytes * 1e9))


def measured(device: torch.device, threads: int) -> Machine:
    """Best rates of a few tries with a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a, b = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))
        source, target = torch.ones(COPIED, device=device), torch.empty(COPIED, device=device)
        product = best_s(lambda: torch.mm(a, b), device)
        copy = best_s(lambda: target.copy_(source), device)
    finally:
        torch.set_num_threads(before)
    return Machine(2e-9 * SIDE**3 / product, 8e-9 * COPIED / copy)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a machine could do at best: operations and bytes of what runs, and the rates that the machine reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from i2p_ros.core.stages import worked
from i2p_ros.runtime.torch_runtime import settle

SIDE = 1024  # of the matrices: 2.1 GFLOP a product, which no cache overhead hides
COPIED = 1 << 26  # numbers: 256 MB, far more than any cache
TRIES = 5


class Counting(TorchDispatchMode):
    """Counts matrix products and convolutions for the running stage: operations, and operands and results once."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What func gives."""
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry:
            with self:  # in inference mode, convolutions and linear layers come as a whole
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            flop = flop_registry[func._overloadpacket](*args, **kwargs, out_val=out)
            worked(float(flop), sum(t.numel() * t.element_size() for t in (*args, out) if isinstance(t, Tensor)))
        return out


@dataclass(frozen=True)
class Machine:
    """Rates that a device reaches: `gflops` in products of float32 matrices, `gbytes` a second read and written."""

    gflops: float
    gbytes: float

    @staticmethod
    def median(machines: Sequence[Machine]) -> Machine:
        """That of several measurements."""
        return Machine(median(m.gflops for m in machines), median(m.gbytes for m in machines))

    def floor_ms(self, flop: float, byte: float) -> float:
        """The least time for so much work, ms: computing and moving may overlap."""
        return 1e3 * max(flop / (self.gflops * 1e9), byte / (self.gbytes * 1e9))


def measured(device: torch.device, threads: int) -> Machine:
    """The best of a few tries, with as many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a, b = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))
        source, target = torch.ones(COPIED, device=device), torch.empty(COPIED, device=device)
        product = _best_s(lambda: torch.mm(a, b), device)
        copy = _best_s(lambda: target.copy_(source), device)
    finally:
        torch.set_num_threads(before)
    return Machine(2e-9 * SIDE**3 / product, 8e-9 * COPIED / copy)


def _best_s(work: Callable[[], Any], device: torch.device) -> float:
    times = []
    for _ in range(TRIES + 1):
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])  # the first one also touches new memory

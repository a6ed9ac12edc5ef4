# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Operations and bytes of each stage, counted from outside while it runs.

PyTorch's matrix products and convolutions are seen by a dispatch mode, the functions of costs.py by the interpreter's
profiler. Both make everything slower, so nothing is timed while work is counted.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from i2p_ros.bench.costs import Cost
from i2p_ros.core.stages import running_stage


@dataclass
class Work:
    """Floating-point operations, and bytes that must be read or written."""

    flop: float = 0.0
    byte: float = 0.0


class WorkByStage(defaultdict[str, Work]):
    """Work of each stage by name; of a stage that did none, none."""

    def __init__(self) -> None:
        super().__init__(Work)

    def add(self, flop: float, byte: float) -> None:
        """Add work to the running stage; outside any stage, work is not counted."""
        name = running_stage()
        if name is not None:
            self[name].flop += flop
            self[name].byte += byte


@contextmanager
def counting(functions: Sequence[Cost]) -> Iterator[WorkByStage]:
    """Work that this thread does until the end of the block, by the stages that it records.

    `functions` are counted beside the operations of PyTorch, such as those of costs.py. Other threads are not counted.
    """
    work = WorkByStage()
    profile = _Profile(functions, work.add)
    before = sys.getprofile()
    with _TorchWork(work.add):
        sys.setprofile(profile)
        try:
            yield work
        finally:
            sys.setprofile(before)


class _Profile:
    """Adds the work of the functions when they return."""

    def __init__(self, functions: Sequence[Cost], add: Callable[[float, float], None]) -> None:
        self._costs, self._add = {cost.code: cost for cost in functions}, add

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and (cost := self._costs.get(frame.f_code)):
            self._add(*cost.work(frame.f_locals, argument))


class _TorchWork(TorchDispatchMode):
    """Adds the work of matrix products and convolutions: operations, and operands and results once."""

    def __init__(self, add: Callable[[float, float], None]) -> None:
        super().__init__()
        self._add = add

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Result of func."""
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry:
            with self:  # in inference mode, convolutions and linear layers come as a whole
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            flop = flop_registry[func._overloadpacket](*args, **kwargs, out_val=out)
            self._add(float(flop), sum(t.numel() * t.element_size() for t in (*args, out) if isinstance(t, Tensor)))
        return out

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: all kernels of a part are launched at once, since small networks on a GPU wait for launches."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from i2p_ros.networks.base import Part

WARM_UPS = 3  # before a capture, as PyTorch's notes on CUDA graphs ask for


@dataclass
class _Captured:
    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    out: Any


class Graphed:
    """A part on a CUDA device, captured once for each shape of its arguments. Threads take turns with its memory."""

    def __init__(self, part: Part) -> None:
        self._part, self._turn = part, threading.Lock()
        self._captured: dict[tuple[torch.Size, ...], _Captured] = {}

    def __call__(self, *arguments: Tensor) -> Any:
        """A copy of the result of the part."""
        with self._turn:
            return self._replayed(arguments)

    def _replayed(self, arguments: tuple[Tensor, ...]) -> Any:
        shapes = tuple(a.shape for a in arguments)
        if shapes not in self._captured:
            self._captured = {shapes: self._capture(arguments)}  # of the last shape alone: a graph keeps its memory
        kept = self._captured[shapes]
        for place, argument in zip(kept.given, arguments, strict=True):
            place.copy_(argument)
        kept.graph.replay()
        return kept.out.clone() if isinstance(kept.out, Tensor) else tuple(t.clone() for t in kept.out)

    def _capture(self, arguments: tuple[Tensor, ...]) -> _Captured:
        given = tuple(a.clone() for a in arguments)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                self._part(*given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may allocate meanwhile
            out = self._part(*given)
        return _Captured(graph, given, out)

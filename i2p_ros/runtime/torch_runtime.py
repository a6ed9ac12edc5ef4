# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The runtime that runs a network with PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from i2p_ros.core.both import Both, Lazy, in_turn
from i2p_ros.core.errors import DeviceError, DeviceMemoryError, MissingPackageError, one_line
from i2p_ros.networks.base import Arrays, FamilyNetwork, Tensors, batched
from i2p_ros.networks.folding import folded
from i2p_ros.networks.parts import in_precision
from i2p_ros.runtime.graphs import Graphed

A = TypeVar("A")
B = TypeVar("B")


class Passes(Protocol):
    """Forward passes over one scene. One thread at a time may call it; others open their own."""

    def __call__(self, inputs: Arrays) -> Tensors:
        """Outputs by name, each with a batch axis of one, of one forward pass."""
        ...

    def signals(self) -> NDArray[np.float32]:
        """(C, H, W) predicted signals of the scene's image, from its shared `channels`."""
        ...


class Runtime(Protocol):
    """Runs the network of a family. Several threads may use it at once, each with `Passes` of its own."""

    device: torch.device
    threads: int
    both: Both

    def open(self, shared: Arrays) -> Passes:
        """Forward passes over the scene with these shared arrays. The first of them computes what all share."""
        ...

    def settle(self) -> None:
        """Wait until the device has finished. Only a clock needs this."""
        ...

    def wait(self) -> None:
        """Wait until what is built in the background is ready or has failed."""
        ...

    def describe(self) -> str:
        """One line: what runs where, and why."""
        ...


class TorchRuntime:
    """PyTorch without a compiler. On the CPU two branches of the network run in parallel, in `threads` threads each.

    `plain` is the network in float32. `network` is what runs. `why` are reasons for this choice, for `describe`.
    """

    def __init__(
        self, network: FamilyNetwork, device: str = "auto", threads: int = 1, branches: int = 2,
        precision: torch.dtype = torch.float32, why: Sequence[str] = (),
    ) -> None:  # fmt: skip
        torch.set_num_threads(threads)
        self.device, self._device_reason = choose_device(device)
        self._why = why
        self.threads = threads * (branches if self.device.type == "cpu" else 1)
        self._precision, self._bf16 = precision, precision == torch.bfloat16 and self.device.type == "cpu"
        self.plain = for_inference(network).to(self.device)
        self.network: FamilyNetwork = self.plain if precision == torch.float32 else in_precision(self.plain, precision)
        if self.device.type == "cuda":
            self.network = in_graphs(self.network)
        self.both: Both = _Parallel(threads) if branches > 1 and self.device.type == "cpu" else in_turn

    def open(self, shared: Arrays) -> TorchPasses:
        """Forward passes over the scene with these shared arrays."""
        return TorchPasses(lambda: self.network, shared, self.device, self.both, bf16=self._bf16)

    def settle(self) -> None:
        """Wait until the device has finished. Only a clock needs this."""
        settle(self.device)

    def wait(self) -> None:
        """Nothing is built in the background."""

    def describe(self) -> str:
        """One line: what runs where, and why."""
        threads = f", {self.threads} thread(s)" if self.device.type == "cpu" else ""
        precision = str(self._precision).removeprefix("torch.")
        what = f"torch {torch.__version__} on {self.device}{threads}, {precision} ({self._device_reason})"
        return "; ".join([what, *self._why])


class TorchPasses:
    """Forward passes over one scene by PyTorch.

    What the passes share is computed in the first of them, and again when `network` returns another network. `before`
    is called with the inputs of each pass. With `bf16` the network's `rounded_outputs` have this precision, and signals
    are computed in it.
    """

    def __init__(
        self, network: Callable[[], FamilyNetwork], shared: Arrays, device: torch.device, both: Both,
        before: Callable[[Arrays], None] = lambda inputs: None, bf16: bool = False,
    ) -> None:  # fmt: skip
        self._before, self._bf16 = before, bf16
        self._network, self._device, self._both = network, device, both
        self._shared = Lazy(lambda: images_last(batched(shared, device)))
        self._encoded: tuple[FamilyNetwork, Lazy[Any]] | None = None

    def __call__(self, inputs: Arrays) -> Tensors:
        """Outputs by name, each with a batch axis of one, of one forward pass."""
        self._before(inputs)
        with torch.inference_mode():
            network, encoded = self._encode()
            outputs = network.forward_pass(encoded, batched(inputs, self._device), self._both)
            rounded = network.rounded_outputs if self._bf16 else frozenset()
            return {name: output.bfloat16() if name in rounded else output for name, output in outputs.items()}

    def signals(self) -> NDArray[np.float32]:
        """(C, H, W) predicted signals of the scene's image; NotImplementedError by a network without any."""
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            network, encoded = self._encode()
            return np.asarray(network.signals(encoded, self._shared())[0].float().cpu().numpy())

    def _encode(self) -> tuple[FamilyNetwork, Lazy[Any]]:
        """The network, and what all passes over the scene share."""
        network = self._network()
        if self._encoded is None or self._encoded[0] is not network:
            self._encoded = network, Lazy(lambda: network.encode_shared(self._shared()))
        return self._encoded


def for_inference(network: FamilyNetwork) -> FamilyNetwork:
    """A copy of the network as it runs: batch norm is folded, and the weights of convolutions have channels last."""
    network = folded(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # a third faster than rows of channels, though learning is slower so
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def images_last(tensors: Tensors) -> Tensors:
    """The same with the channels of images (B, C, H, W) last in memory, as the convolutions have them."""
    last = torch.channels_last
    return {name: t.to(memory_format=last) if t.dim() == 4 else t for name, t in tensors.items()}


def in_graphs(network: FamilyNetwork) -> FamilyNetwork:
    """The same network on a CUDA device, each dense part of constant shape as one CUDA graph."""
    parts = network.dense_parts()
    return network.with_parts({k: part if k in network.dynamic_parts else Graphed(part) for k, part in parts.items()})


class _Parallel:
    """Runs two functions in parallel, the second in a thread of its own; in turn while that thread is in use.

    So the pairs of several cameras, each in a thread, do not wait for each other.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(1, "i2p-points", torch.set_num_threads, (threads,))
        self._in_use = Lock()

    def __call__(self, one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]:
        if not self._in_use.acquire(blocking=False):
            return in_turn(one, other)
        try:
            later = self._pool.submit(torch.inference_mode()(other))
            try:
                return one(), later.result()
            finally:
                wait([later])
        finally:
            self._in_use.release()


@contextmanager
def device_errors() -> Iterator[None]:
    """Turns PyTorch's errors of the device into DeviceMemoryError, after its cache was freed, and DeviceError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise DeviceMemoryError(f"the device is out of memory: {one_line(error)}") from error
    except RuntimeError as error:
        if "CUDA error" not in str(error):
            raise
        raise DeviceError(f"the device is lost, start again: {one_line(error)}") from error


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """The device for `auto`, `cpu` or `cuda`, and why; raises MissingPackageError when cuda is asked for in vain."""
    if wanted == "cpu":
        return torch.device("cpu"), "asked for"
    if not torch.cuda.is_available():
        why = "PyTorch is built without CUDA" if torch.version.cuda is None else "no usable CUDA device or driver"
        if wanted == "cuda":
            raise MissingPackageError(f"device cuda is asked for, but {why}: install a CUDA build, or use device=auto")
        return torch.device("cpu"), why
    return torch.device("cuda"), torch.cuda.get_device_name()


def settle(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize()

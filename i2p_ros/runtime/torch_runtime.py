# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a network with PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2p_ros.core.errors import DeviceError, DeviceMemoryError, MissingPackageError, one_line
from i2p_ros.networks.both import Both, in_turn
from i2p_ros.networks.folding import folded
from i2p_ros.networks.parts import OF_POINTS, dense_parts, in_precision, with_parts
from i2p_ros.networks.vp2p import Seen, VP2PNetwork
from i2p_ros.runtime.graphs import Graphed

A = TypeVar("A")
B = TypeVar("B")
Arrays = dict[str, NDArray[np.float32]]


class Runtime(Protocol):
    """Named arrays of one pair in, named tensors with a batch axis of one out."""

    device: torch.device
    threads: int
    both: Both

    def __call__(self, inputs: Arrays) -> dict[str, Tensor]: ...

    def likeness(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, H, W) what a lidar would measure where an image of channels (5, H, W) looks."""
        ...

    def settle(self) -> None:
        """Wait until the device has done what it was asked: only a clock needs it."""
        ...

    def wait(self) -> None:
        """Until what is built in the background is there, or is known not to come."""
        ...

    def describe(self) -> str:
        """One line: what runs where, and why."""
        ...


class TorchRuntime:
    """Eager PyTorch; on the CPU the two branches run beside each other, one intra-op thread each unless told otherwise.

    An image array that is given again is not looked at again, so it must not be changed in between. `plain` is the
    network in float32; `network`, which runs, may be replaced between two calls by one that answers the same.
    """

    def __init__(
        self, network: VP2PNetwork, device: str = "auto", threads: int = 1, branches: int = 2,
        precision: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        torch.set_num_threads(threads)
        self.device, self._why = choose_device(device)
        self.threads = threads * (branches if self.device.type == "cpu" else 1)
        self._precision = precision
        self.plain = folded(network).to(self.device)
        for module in self.plain.modules():
            if isinstance(module, nn.Conv2d):  # a third faster than rows of channels, though learning is slower so
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = self.plain if precision == torch.float32 else in_precision(self.plain, precision)
        if self.device.type == "cuda":
            self.network = in_graphs(self.network)
        self.both: Both = _Beside(threads) if branches > 1 and self.device.type == "cpu" else in_turn
        self._last: tuple[NDArray[np.float32], VP2PNetwork, Seen] | None = None

    def __call__(self, inputs: Arrays) -> dict[str, Tensor]:
        network = self.network  # which another thread may replace meanwhile
        points, features = (self._tensor(inputs[name]) for name in ("points", "features"))
        last, image = self._last, inputs["image"]
        known = last[2] if last and last[0] is image and last[1] is network else None
        with torch.inference_mode():
            see = known or partial(self._see, network, image)
            return network.answer(see, points, features, self.both, scores=False)

    def likeness(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, H, W) what a lidar would measure where an image of channels (5, H, W) looks."""
        with torch.inference_mode():
            tensor = self._tensor(channels).to(memory_format=torch.channels_last)
            return np.asarray(self.plain.likeness(tensor)[0].cpu().numpy())

    def _see(self, network: VP2PNetwork, image: NDArray[np.float32]) -> Seen:
        seen = network.see(self._tensor(image).to(memory_format=torch.channels_last))
        self._last = image, network, seen
        return seen

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array)[None].to(self.device)

    def settle(self) -> None:
        """Wait until the device has done what it was asked: only a clock needs it."""
        settle(self.device)

    def wait(self) -> None:
        """Nothing is built."""

    def describe(self) -> str:
        """One line: what runs where, and why."""
        threads = f", {self.threads} thread(s)" if self.device.type == "cpu" else ""
        precision = str(self._precision).removeprefix("torch.")
        return f"torch {torch.__version__} on {self.device}{threads}, {precision} ({self._why})"


def in_graphs(network: VP2PNetwork) -> VP2PNetwork:
    """The same network on a CUDA device, its dense parts of constant shape each launched as one."""
    parts = dense_parts(network)
    return with_parts(network, {name: part if name == OF_POINTS else Graphed(part) for name, part in parts.items()})


class _Beside:
    """Runs two things at the same time, the second in a thread of its own."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(1, "i2p-points", torch.set_num_threads, (threads,))

    def __call__(self, one: Callable[[], A], other: Callable[[], B]) -> tuple[A, B]:
        later = self._pool.submit(torch.inference_mode()(other))
        try:
            return one(), later.result()
        finally:
            wait([later])


@contextmanager
def device_errors() -> Iterator[None]:
    """Turn PyTorch's errors of the device into ours; of memory after its cache has been given back."""
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
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize()

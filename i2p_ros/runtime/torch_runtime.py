# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a network with PyTorch, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2p_ros.core.errors import DeviceError, DeviceMemoryError, MissingPackageError, one_line

Arrays = dict[str, NDArray[np.float32]]


class Runtime(Protocol):
    """Named arrays of one pair in, named tensors with a batch axis of one out."""

    def __call__(self, inputs: Arrays) -> dict[str, Tensor]: ...

    def describe(self) -> str:
        """One line: what runs where, and why."""
        ...


class TorchRuntime:
    """Eager PyTorch."""

    def __init__(self, network: nn.Module, device: str = "auto", threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self._device, self._why = choose_device(device)
        self._threads = threads
        self._network = network.eval().to(self._device)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):  # a third faster than rows of channels, though learning is slower so
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, inputs: Arrays) -> dict[str, Tensor]:
        tensors = {k: torch.from_numpy(v)[None].to(self._device) for k, v in inputs.items()}
        with torch.inference_mode():
            out: dict[str, Tensor] = self._network(**tensors)
        return out

    def describe(self) -> str:
        """One line: what runs where, and why."""
        threads = f", {self._threads} thread(s)" if self._device.type == "cpu" else ""
        return f"torch {torch.__version__} on {self._device}{threads} ({self._why})"


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

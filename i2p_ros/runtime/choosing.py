# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which runtime, in which precision, with which sparse convolution; and why not the better one, in words."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, MissingPackageError, one_line
from i2p_ros.networks.parts import in_precision
from i2p_ros.networks.vp2p import IMAGE_CHANNELS, POINT_FEATURES, VP2PNetwork, VP2PSettings
from i2p_ros.runtime.engines import EngineCache
from i2p_ros.runtime.tensorrt import ALIKE, TensorrtRuntime, TorchTensorrt
from i2p_ros.runtime.torch_runtime import Arrays, Runtime, TorchRuntime, choose_device, settle

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.half}
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, and of ARM
RACE = 5  # runs of each
APART = {torch.float32: 1e-4, torch.half: 1e-2}  # of unit descriptors: how far the sparse back ends may be


class Chosen:
    """A runtime, and what was decided on the way."""

    def __init__(self, runtime: Runtime, why: list[str]) -> None:
        self._runtime, self._why = runtime, why
        self.device, self.threads, self.both = runtime.device, runtime.threads, runtime.both

    def __call__(self, inputs: Arrays) -> dict[str, Tensor]:
        return self._runtime(inputs)

    def likeness(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Runtime`."""
        return self._runtime.likeness(channels)

    def settle(self) -> None:
        """Wait until the device has done what it was asked."""
        self._runtime.settle()

    def wait(self) -> None:
        """Until what is built in the background is there, or is known not to come."""
        self._runtime.wait()

    def describe(self) -> str:
        """One line: what runs where, and why not the better one."""
        return "; ".join([self._runtime.describe(), *self._why])


def runtime_for(network: VP2PNetwork, sizes: VP2PSettings, settings: Settings, weights: str = "") -> Runtime:
    """The best runtime that the settings allow, of a network whose weights have this hash.

    Raises MissingPackageError where what is asked for by name is not there, UnsafeCacheError where engines are asked
    for and have no safe place.
    """
    device, _ = choose_device(settings.device)
    why: list[str] = []
    compiler = _compiler(settings, device, why)
    cache = _cache(settings, why) if compiler else None
    network = network.eval().to(device)
    if device.type == "cuda":
        network = with_spconv(network, sizes, settings.precision in ("auto", "float16"), why)
    precision = torch.float32 if cache else _precision(network, settings, device, why)
    inner = TorchRuntime(network, settings.device, settings.threads, settings.branches, precision)
    if compiler and cache:
        return Chosen(TensorrtRuntime(inner, compiler, cache, weights), why)
    return Chosen(inner, why)


def _compiler(settings: Settings, device: torch.device, why: list[str]) -> TorchTensorrt | None:
    if settings.backend == "torch":
        return None
    try:
        if device.type != "cuda":
            raise MissingPackageError("TensorRT needs a CUDA device")
        return TorchTensorrt()
    except MissingPackageError as error:
        if settings.backend == "tensorrt":
            raise MissingPackageError(f"backend tensorrt is asked for, but {error}; use backend=auto") from error
        why.append(f"not TensorRT: {error}")
        return None


def _cache(settings: Settings, why: list[str]) -> EngineCache | None:
    try:
        return EngineCache(Path(settings.engine_cache_dir).expanduser())
    except I2PError as error:
        if settings.backend == "tensorrt":
            raise
        why.append(f"not TensorRT: {error}")
        return None


def _precision(network: VP2PNetwork, settings: Settings, device: torch.device, why: list[str]) -> torch.dtype:
    """As asked for, or the winner of a race on made-up input: the quicker, if it says the same."""
    if settings.precision != "auto":
        return PRECISIONS[settings.precision]
    if device.type == "cpu" and not BF16_FLAGS & _flags():
        why.append("not bf16: the CPU has no instructions for it")
        return torch.float32
    candidate = torch.half if device.type == "cuda" else torch.bfloat16
    name, sample = str(candidate).removeprefix("torch."), made_up(device)
    slow, quick, alike = _raced(network, in_precision(network, candidate), sample)
    told = f"{1e3 * quick:.1f} ms against {1e3 * slow:.1f} ms, cosine {alike:.4f}"
    won = quick < slow and alike >= ALIKE
    why.append(f"{name}: {told}" if won else f"not {name}: {told}")
    return candidate if won else torch.float32


def _flags() -> set[str]:
    """What the CPU says that it can do."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split(":", 1)[1].split()}


def made_up(device: torch.device) -> dict[str, Tensor]:
    """Input of a scene of noise; the same always."""
    generator = torch.Generator().manual_seed(0)
    sample = {
        "image": torch.randn(1, IMAGE_CHANNELS, 80, 256, generator=generator),
        "points": torch.randn(1, 3072, 3, generator=generator) * torch.tensor([15.0, 15.0, 1.5]),
        "features": torch.randn(1, 3072, POINT_FEATURES, generator=generator),
    }
    return {name: tensor.to(device) for name, tensor in sample.items()}


def _answer(network: VP2PNetwork, sample: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return network.answer(lambda: network.see(sample["image"]), sample["points"], sample["features"], scores=False)


def _raced(one: VP2PNetwork, other: VP2PNetwork, sample: dict[str, Tensor]) -> tuple[float, float, float]:
    """Seconds of both, and the least cosine between what they say."""
    said = [_answer(network, sample) for network in (one, other)]
    alike = min(float(F.cosine_similarity(a.flatten(), said[1][k].flatten(), dim=0)) for k, a in said[0].items())
    device = sample["image"].device
    return _best_s(lambda: _answer(one, sample), device), _best_s(lambda: _answer(other, sample), device), alike


def _best_s(run: Callable[[], Any], device: torch.device) -> float:
    """Of a few runs after a warm-up."""
    times = []
    for _ in range(RACE + 1):
        settle(device)
        start = time.perf_counter()
        run()
        settle(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def with_spconv(network: VP2PNetwork, sizes: VP2PSettings, half: bool, why: list[str]) -> VP2PNetwork:
    """The network with spconv's voxel branch where that is there, says the same of a made-up scan, and is quicker."""
    try:
        return _compared(network, spconv_network(network, sizes, half), torch.half if half else torch.float32, why)
    except Exception as error:  # a binary of another CUDA raises whatever its loader does
        why.append(f"not spconv: {type(error).__name__}: {one_line(error)}")
        return network


def spconv_network(network: VP2PNetwork, sizes: VP2PSettings, half: bool) -> VP2PNetwork:
    """The same network, and the same weights, with the voxel branch by spconv. Raises ImportError without it."""
    from i2p_ros.networks.blocks.spconv_unet import SpconvUNet, algorithm

    device = next(network.parameters()).device
    widths = (POINT_FEATURES, sizes.voxel_encoder, sizes.voxel_decoder, sizes.image_stages[-1])
    voxel = SpconvUNet(*widths, algorithm(device)).to(device).eval()
    voxel.load_state_dict(network.voxel.state_dict())
    other = copy.copy(network)
    other._modules = {**network._modules, "voxel": voxel.half() if half else voxel}
    return other


def _compared(plain: VP2PNetwork, other: VP2PNetwork, dtype: torch.dtype, why: list[str]) -> VP2PNetwork:
    sample = made_up(next(plain.parameters()).device)
    one, two = (_answer(network, sample)["points"] for network in (plain, other))
    apart = float((one - two).abs().max())
    slow, quick, _ = _raced(plain, other, sample)
    told = f"{1e3 * quick:.1f} ms a look against {1e3 * slow:.1f} ms, difference {apart:.1e}"
    won = apart <= APART[dtype] and quick < slow
    why.append(f"spconv: {told}" if won else f"not spconv: {told}")
    return other if won else plain

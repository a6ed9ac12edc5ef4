# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice of the runtime, its precision and its sparse convolutions, with the reasons."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, MissingPackageError, one_line
from i2p_ros.networks.base import FamilyNetwork, PassInputs, Tensors, single_pass
from i2p_ros.networks.parts import in_precision
from i2p_ros.runtime.engines import EngineCache
from i2p_ros.runtime.tensorrt import ALIKE, TensorrtRuntime, TorchTensorrt
from i2p_ros.runtime.timing import raced_s
from i2p_ros.runtime.torch_runtime import Runtime, TorchRuntime, choose_device, for_inference, images_last

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.half}
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, and of ARM
APART = {torch.float32: 1e-4, torch.half: 1e-2}  # largest difference of an output between sparse backends


def runtime_for(network: FamilyNetwork, settings: Settings, weights: str = "") -> Runtime:
    """The best runtime that the settings allow, for a network whose weights have this hash.

    Raises MissingPackageError when a backend that is asked for by name is not installed, UnsafeCacheError when TensorRT
    is asked for and its engines have no safe place.
    """
    torch.set_num_threads(settings.threads)  # before backends are raced: PyTorch's own threads wait for each other
    device, _ = choose_device(settings.device)
    why: list[str] = []
    compiler = _compiler(settings, device, why)
    cache = _cache(settings, why) if compiler else None
    network = network.eval().to(device)
    if device.type == "cuda":
        network = with_spconv(network, settings.precision in ("auto", "float16"), why)
    precision = torch.float32 if cache else _precision(network, settings, device, why)
    options = settings.device, settings.threads, settings.branches, precision
    if compiler and cache:
        return TensorrtRuntime(TorchRuntime(network, *options), compiler, cache, weights, why=why)
    return TorchRuntime(network, *options, why)


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


def _precision(network: FamilyNetwork, settings: Settings, device: torch.device, why: list[str]) -> torch.dtype:
    """The precision that is asked for, or the quicker of two on random input if the outputs agree."""
    if settings.precision != "auto":
        return PRECISIONS[settings.precision]
    if device.type == "cpu" and not BF16_FLAGS & _flags():
        why.append("not bf16: the CPU has no instructions for it")
        return torch.float32
    candidate = torch.half if device.type == "cuda" else torch.bfloat16
    name, sample = str(candidate).removeprefix("torch."), network.example().to(device)
    plain, sample = for_inference(network), PassInputs(images_last(sample.shared), sample.inputs)
    slow, quick, cosine = _raced(plain, in_precision(plain, candidate), sample)
    figures = f"{1e3 * quick:.1f} ms against {1e3 * slow:.1f} ms, cosine {cosine:.4f}"
    won = quick < slow and cosine >= ALIKE
    why.append(f"{name}: {figures}" if won else f"not {name}: {figures}")
    return candidate if won else torch.float32


def _flags() -> set[str]:
    """Flags of the CPU's instruction sets."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split(":", 1)[1].split()}


def _outputs(network: FamilyNetwork, sample: PassInputs) -> Tensors:
    with torch.inference_mode():
        return single_pass(network, sample)


def _raced(one: FamilyNetwork, other: FamilyNetwork, sample: PassInputs) -> tuple[float, float, float]:
    """Seconds of both networks, and the least cosine similarity between an output of one and of the other."""
    outputs, others = (_outputs(network, sample) for network in (one, other))
    cosine = min(float(F.cosine_similarity(out.flatten(), others[k].flatten(), dim=0)) for k, out in outputs.items())
    device = next(iter(sample.inputs.values())).device
    seconds = raced_s([lambda: _outputs(one, sample), lambda: _outputs(other, sample)], device)
    return seconds[0], seconds[1], cosine


def with_spconv(network: FamilyNetwork, half: bool, why: list[str]) -> FamilyNetwork:
    """The network with sparse convolutions by spconv where that is installed, quicker, and gives the same outputs."""
    try:
        other = network.with_spconv(half)
        return _compared(network, other, torch.half if half else torch.float32, why) if other else network
    except Exception as error:  # a binary of another CUDA raises whatever its loader does
        why.append(f"not spconv: {type(error).__name__}: {one_line(error)}")
        return network


def _compared(plain: FamilyNetwork, other: FamilyNetwork, dtype: torch.dtype, why: list[str]) -> FamilyNetwork:
    """The other network if it is quicker and its outputs are those of the plain one, else the plain one."""
    sample = plain.example().to(next(plain.parameters()).device)
    one, two = (_outputs(network, sample) for network in (plain, other))
    apart = max(float((one[name] - two[name]).abs().max()) for name in one)
    slow, quick, _ = _raced(plain, other, sample)
    figures = f"{1e3 * quick:.1f} ms a forward pass against {1e3 * slow:.1f} ms, difference {apart:.1e}"
    won = apart <= APART[dtype] and quick < slow
    why.append(f"spconv: {figures}" if won else f"not spconv: {figures}")
    return other if won else plain

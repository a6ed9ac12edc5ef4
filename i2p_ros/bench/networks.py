# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One forward pass of each size of network by each runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from i2p_ros.bench.counting import Work, counting
from i2p_ros.bench.machine import Machine
from i2p_ros.bench.measuring import median_ms
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import I2PError, one_line
from i2p_ros.core.stages import recording, stage
from i2p_ros.core.types import Pair
from i2p_ros.families.base import Family
from i2p_ros.networks.base import Arrays, FamilyNetwork
from i2p_ros.runtime.choosing import runtime_for
from i2p_ros.runtime.torch_runtime import TorchRuntime

RUNTIMES: dict[str, Mapping[str, Any]] = {
    "torch float32, in turn": {"backend": "torch", "precision": "float32", "branches": 1},
    "torch float32": {"backend": "torch", "precision": "float32"},
    "torch bf16": {"backend": "torch", "precision": "bf16"},
    "torch float16": {"backend": "torch", "precision": "float16", "device": "cuda"},
    "tensorrt": {"backend": "tensorrt"},
}  # settings


def all_networks(
    kind: type[Family[Any]], settings: Settings, pair: Pair, machine: Machine
) -> list[dict[str, Any]]:  # fmt: skip
    """A row of plain values for each size of network of a family and each runtime."""
    return [
        row
        for size, sizes in kind.sizes.items()
        for row in _by_all_runtimes(size, kind(sizes, settings.matching), settings, pair, machine)
    ]


def _by_all_runtimes(
    size: str, family: Family[Any], settings: Settings, pair: Pair, machine: Machine
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of one forward pass of a network of this size."""
    network, scene = family.network(), family.prepare(pair)
    shared, inputs = scene.shared, family.inputs(scene)
    work = _work(network, settings, shared, inputs)
    cost = {"gflop": 1e-9 * work.flop, "mbyte": 1e-6 * work.byte, "floor_ms": machine.floor_ms(work.flop, work.byte)}
    rows = []
    for runtime, update in RUNTIMES.items():
        ms, says = _pass_ms(network, settings.model_copy(update=update), shared, inputs)
        rows.append({"size": size, "runtime": runtime, "ms": ms, "says": says, **cost})
    return rows


def _work(network: FamilyNetwork, settings: Settings, shared: Arrays, inputs: Arrays) -> Work:
    """Work of one forward pass, all stages together."""
    with recording(), stage("all"), counting(()) as counted:
        TorchRuntime(network, "cpu", settings.threads, 1).open(shared)(inputs)
    parts = counted.values()
    return Work(sum(part.flop for part in parts), sum(part.byte for part in parts))


def _pass_ms(
    network: FamilyNetwork, settings: Settings, shared: Arrays, inputs: Arrays
) -> tuple[float | None, str]:  # fmt: skip
    """Time of one forward pass, ms, and the runtime's description; None and the reason if the runtime is absent."""
    try:
        runtime = runtime_for(network, settings)
    except I2PError as error:
        return None, one_line(error)

    def once() -> None:
        runtime.open(shared)(inputs)
        runtime.settle()

    once()
    runtime.wait()
    return median_ms(once), runtime.describe()

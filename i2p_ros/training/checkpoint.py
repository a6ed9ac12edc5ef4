# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a run on disk: a folder that appears whole or not at all, of files small enough for a repository."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from i2p_ros.core.errors import ModelError, one_line

PART = 15 * 2**20  # bytes of tensors in one file, whose header comes on top: 16 MiB is what repositories take
STATE = "state.json"
Modules = dict[str, nn.Module]


def save(folder: Path, modules: Modules, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put the tensors of modules and of their optimizer, and `state` with its number of `samples`, into a subfolder of
    `folder`, in place of the one before.

    The subfolder gets its name once it is complete. A process that is killed before leaves the earlier one.
    """
    name = f"{state['samples']:010d}"
    partial = folder / f".{name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for i, part in enumerate(_parts(_tensors(modules, optimizer))):
        save_file(part, partial / f"part-{i:03d}.safetensors")
    (partial / STATE).write_text(json.dumps(state, indent=2))
    partial.rename(folder / name)
    for other in folder.iterdir():
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)


def restore(folder: Path, modules: Modules, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The `state` of the last `save`, with modules and optimizer as they were then; empty where there is none.

    Raises ModelError when it is damaged, or of another network.
    """
    kept = sorted(path for path in folder.glob("*") if not path.name.startswith("."))
    if not kept:
        return {}
    try:
        state = json.loads((kept[-1] / STATE).read_text())
        tensors = {k: v for file in sorted(kept[-1].glob("*.safetensors")) for k, v in load_file(file).items()}
        for name, module in modules.items():
            module.load_state_dict(_named(tensors, name))
        optimizer.load_state_dict(_optimizer_state(tensors, optimizer))
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise ModelError(f"cannot continue from {folder}: {one_line(error)}; delete it to start again") from error
    return dict(state)


def _tensors(modules: Modules, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """Names such as weights/net.image.stem.0.weight, and adam/17/exp_avg for what the optimizer keeps of its 18th."""
    for name, module in modules.items():
        yield from ((f"{name}/{key}", value) for key, value in module.state_dict().items())
    for index, kept in optimizer.state_dict()["state"].items():
        yield from ((f"adam/{index}/{key}", value) for key, value in kept.items())


def _named(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _optimizer_state(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    kept: dict[int, dict[str, Tensor]] = {}
    for name, value in _named(tensors, "adam").items():
        index, _, key = name.partition("/")
        kept.setdefault(int(index), {})[key] = value
    return {**optimizer.state_dict(), "state": kept}


def _parts(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The tensors in order, in groups of at most PART bytes (or of one tensor)."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, value in tensors:
        if part and size + value.nbytes > PART:
            yield part
            part, size = {}, 0
        part[name] = value.detach().cpu().contiguous()
        size += value.nbytes
    yield part

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights: loaded into networks, and written with their manifest."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import ModelError, one_line
from i2p_ros.families.base import Family
from i2p_ros.pnp.calibration import Calibration
from i2p_ros.runtime.manifest import ModelEntry, manifest_of, read_manifest, sha256


def write_calibration(name: str, calibration: Calibration) -> Path:
    """The path of the manifest after a calibration was written into the entry of a shipped model or training folder.

    Comments at the head of the file stay. Raises ModelError when it cannot be written.
    """
    file = manifest_of(name)
    head = "".join(takewhile(lambda line: line.startswith("#"), file.read_text().splitlines(keepends=True)))
    models = read_manifest(file.parent)
    entries = {key: entry.model_dump(mode="json", exclude_none=True) for key, entry in models.items()}
    entries[name if name in entries else next(iter(entries))]["calibration"] = calibration.model_dump(mode="json")
    try:
        _write_yaml(file, entries, head)
    except OSError as error:
        raise ModelError(f"cannot write {file}: {error.strerror}") from error
    return file


def load_weights(net: nn.Module, file: Path) -> None:
    """Load a safetensors file into net; raises ModelError when it does not fit."""
    try:
        net.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(f"cannot load the weights {file}: {one_line(error)}") from error


def take_weights(net: nn.Module, file: Path) -> float:
    """Load the weights of a safetensors file that have the name and shape of one in net, as in branches that families
    share. Returns their share of net's parameters. Raises ModelError when there are none."""
    try:
        given = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"cannot load the weights {file}: {one_line(error)}") from error
    own = net.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
    taken = sum(value.numel() for name, value in net.named_parameters() if name in fitting)
    if not taken:
        raise ModelError(f"the weights {file} are of another network: no weight has a name and shape of this one")
    net.load_state_dict(fitting, strict=False)
    return taken / sum(value.numel() for value in net.parameters())


def save_model(
    folder: Path, family: Family[Any], net: nn.Module, settings: Settings, trained: dict[str, Any]
) -> None:  # fmt: skip
    """Write model.safetensors, settings.yaml and a manifest.yaml, each whole or not at all."""
    weights = folder / "model.safetensors"
    partial = weights.with_suffix(".tmp")
    save_file({k: v.detach().contiguous().cpu() for k, v in net.state_dict().items()}, partial)
    partial.replace(weights)
    entry = ModelEntry(
        family=family.name, settings=family.settings.model_dump(), file=weights.name, sha256=sha256(weights),
        licence="unstated", trained=trained,
    )  # fmt: skip
    _write_yaml(folder / "settings.yaml", settings.model_dump())
    _write_yaml(folder / "manifest.yaml", {folder.name: entry.model_dump(exclude_none=True)})


def _write_yaml(file: Path, tree: dict[str, Any], head: str = "") -> None:
    partial = file.with_suffix(".tmp")
    partial.write_text(head + yaml.safe_dump(tree, sort_keys=False, width=120))
    partial.replace(file)

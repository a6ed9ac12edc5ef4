# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trained models: a manifest.yaml beside safetensors files, checked by hash before they are loaded."""

from __future__ import annotations

import hashlib
import os
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import ModelError, one_line
from i2p_ros.core.resources import resource
from i2p_ros.families import FAMILIES
from i2p_ros.families.base import Family
from i2p_ros.pnp.calibration import Calibration


class ModelEntry(BaseModel):
    """One model of a manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str  # of families.FAMILIES
    settings: dict[str, Any]
    file: str
    sha256: str
    licence: str
    trained: dict[str, Any]
    scores: dict[str, Any] = {}
    calibration: Calibration | None = None

    @field_validator("family")
    @classmethod
    def _exists(cls, family: str) -> str:
        if family not in FAMILIES:
            raise ValueError(f"there is no family {family!r}; there are {', '.join(FAMILIES)}")
        return family


def models_folder() -> Path:
    """Folder of the shipped models: $I2P_MODELS, or models/ of the repository or the installation."""
    return Path(os.environ["I2P_MODELS"]) if "I2P_MODELS" in os.environ else resource("models")


def read_manifest(folder: Path) -> dict[str, ModelEntry]:
    """Name to entry of folder/manifest.yaml; raises ModelError when it is missing or malformed."""
    file = folder / "manifest.yaml"
    try:
        entries = {name: ModelEntry.model_validate(entry) for name, entry in yaml.safe_load(file.read_text()).items()}
    except OSError as error:
        raise ModelError(f"no model manifest at {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError, AttributeError) as error:
        raise ModelError(f"{file} is not a model manifest: {one_line(error)}") from error
    if not entries:
        raise ModelError(f"{file} is a model manifest without a model")
    return entries


def find_model(name: str) -> tuple[ModelEntry, Path]:
    """The entry of a shipped model, or of a folder that `i2p train` wrote, and its checked weights file."""
    folder = Path(name)
    if (folder / "manifest.yaml").exists():
        entry = next(iter(read_manifest(folder).values()))
    else:
        folder = models_folder()
        manifest = read_manifest(folder)
        if name not in manifest:
            raise ModelError(f"there is no model {name!r}; there are {', '.join(manifest)}, or give a training folder")
        entry = manifest[name]
    file = folder / entry.file
    if not file.is_file():
        raise ModelError(f"the weights of {name} are missing: {file}")
    found = sha256(file)
    if found != entry.sha256:
        raise ModelError(f"{file} is damaged or another file: sha256 is {found}, expected {entry.sha256}")
    return entry, file


def manifest_of(name: str) -> Path:
    """The manifest that a shipped model or a training folder is in."""
    return (Path(name) if (Path(name) / "manifest.yaml").exists() else models_folder()) / "manifest.yaml"


def drives_of(weights: Path) -> list[str]:
    """The recordings that a weights file was trained on, from the manifest beside it; empty without one."""
    if not (weights.parent / "manifest.yaml").exists():
        return []
    entries = read_manifest(weights.parent).values()
    return [drive for entry in entries if entry.file == weights.name for drive in entry.trained.get("drives", [])]


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


def sha256(file: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def load_weights(net: nn.Module, file: Path) -> None:
    """Load a safetensors file into net; raises ModelError when it does not fit."""
    try:
        net.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(f"cannot load the weights {file}: {one_line(error)}") from error


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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The list of models: a manifest.yaml beside safetensors files, which are checked by hash. Read without PyTorch."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError, safe_open

from i2p_ros.core.errors import ModelError, one_line
from i2p_ros.core.hints import did_you_mean
from i2p_ros.core.resources import resource
from i2p_ros.families import FAMILIES
from i2p_ros.pnp.calibration import Calibration

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch norm: they are not trained


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


def find_entry(name: str) -> tuple[ModelEntry, Path]:
    """The entry of a shipped model, or of a folder that `i2p train` wrote, and its weights file."""
    folder = manifest_of(name).parent
    manifest = read_manifest(folder)
    if folder == Path(name):
        entry = next(iter(manifest.values()))
    elif name in manifest:
        entry = manifest[name]
    else:
        there = f"there are {', '.join(manifest)}, or give a training folder."
        raise ModelError(f"there is no model {name!r}; {there}{did_you_mean(name, manifest)}")
    return entry, folder / entry.file


def find_model(name: str) -> tuple[ModelEntry, Path]:
    """The entry and the weights file of `find_entry`. Raises ModelError where the file is missing or another one."""
    entry, file = find_entry(name)
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


def sha256(file: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def count_parameters(file: Path) -> int:
    """Number of trained parameters in a safetensors file, of which the head alone is read. Raises ModelError."""
    try:
        with safe_open(file, "numpy") as weights:
            names = [name for name in weights.keys() if not name.endswith(STATISTICS)]  # noqa: SIM118
            return sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"cannot read the weights {file}: {one_line(error)}") from error

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files of the dense parts of a network, and engines that are built before the first pair."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from i2p_ros.core.errors import InputError, MissingPackageError, one_line
from i2p_ros.networks.base import Arrays, FamilyNetwork, PassInputs
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.tensorrt import exported
from i2p_ros.runtime.torch_runtime import Runtime

OPSET = 18


def write_onnx(network: FamilyNetwork, shared: Arrays, inputs: Arrays, folder: Path) -> dict[str, Path]:
    """A file for each dense part in float32, by name: for shared arrays of these shapes and any number of points.

    Raises MissingPackageError without onnx and onnxscript, InputError when the folder cannot be written.
    """
    try:
        import_module("onnx")
        import_module("onnxscript")
    except ImportError as error:
        raise MissingPackageError(f"ONNX files need pip install onnx onnxscript: {one_line(error)}") from error
    network = network.eval().cpu()
    arguments, dynamic = arguments_of_parts(network, PassInputs.of(shared, inputs)), network.dynamic_parts
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {
            name: _written(part, arguments[name], folder / f"{name}.onnx", name in dynamic)
            for name, part in network.dense_parts().items()
        }
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}", "output") from error


def _written(part: torch.nn.Module, arguments: tuple[Tensor, ...], file: Path, dynamic: bool) -> Path:
    program = exported(part, arguments, dynamic)
    partial = file.with_suffix(".partial")
    torch.onnx.export(program, f=str(partial), opset_version=OPSET, external_data=False, verbose=False)
    partial.replace(file)
    return file


def build_engines(runtime: Runtime, shared: Arrays, inputs: Arrays) -> str:
    """The description of the runtime after it has built what it builds for such a scene."""
    runtime.open(shared)(inputs)
    runtime.wait()
    return runtime.describe()

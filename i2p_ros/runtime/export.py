# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ahead of time: ONNX files of the dense parts, and engines for images of one size."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from i2p_ros.core.errors import InputError, MissingPackageError, one_line
from i2p_ros.networks.parts import OF_POINTS, arguments_of_parts, dense_parts
from i2p_ros.networks.vp2p import VP2PNetwork
from i2p_ros.runtime.tensorrt import exported
from i2p_ros.runtime.torch_runtime import Arrays, Runtime

OPSET = 18


def write_onnx(network: VP2PNetwork, inputs: Arrays, folder: Path) -> dict[str, Path]:
    """A file of each dense part in float32, for images as in inputs and any number of points.

    Raises MissingPackageError without onnx and onnxscript, InputError where the folder cannot be written.
    """
    try:
        import_module("onnx")
        import_module("onnxscript")
    except ImportError as error:
        raise MissingPackageError(f"ONNX files need pip install onnx onnxscript: {one_line(error)}") from error
    sample = {name: torch.from_numpy(np.ascontiguousarray(array))[None] for name, array in inputs.items()}
    arguments = arguments_of_parts(network.eval().cpu(), sample)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = dense_parts(network)
        return {name: _written(part, arguments[name], folder / f"{name}.onnx") for name, part in parts.items()}
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}", "output") from error


def _written(part: torch.nn.Module, arguments: tuple[Tensor, ...], file: Path) -> Path:
    program = exported(part, arguments, file.stem == OF_POINTS)
    partial = file.with_suffix(".partial")
    torch.onnx.export(program, f=str(partial), opset_version=OPSET, external_data=False, verbose=False)
    partial.replace(file)
    return file


def build_engines(runtime: Runtime, inputs: Arrays) -> str:
    """Have the runtime build what it builds for such inputs, and say what there is then."""
    runtime(inputs)
    runtime.wait()
    return runtime.describe()

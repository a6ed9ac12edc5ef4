# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files of the dense parts are valid, and ONNX Runtime answers as PyTorch does."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.networks import FAMILY, TINY, lived_in, pair, prepared, whole_inputs

from i2p_ros import cli
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import MissingPackageError
from i2p_ros.networks.folding import folded
from i2p_ros.networks.parts import arguments_of_parts
from i2p_ros.runtime.export import write_onnx
from i2p_ros.runtime.weights import save_model


def test_onnx_runtime_answers_as_pytorch(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    network, (scene, inputs) = folded(lived_in(TINY)), prepared(pair())
    files = write_onnx(network, scene.shared, inputs, tmp_path / "new")
    assert set(files) == {"encode", "decode", "pixel_descriptor", "point_descriptor"}
    given = arguments_of_parts(network, whole_inputs(pair()))
    for name, part in network.dense_parts().items():
        onnx.checker.check_model(str(files[name]), full_check=True)
        arguments = given[name]
        if name == "point_descriptor":  # any number of them
            arguments = tuple(a[:, :50].contiguous() for a in arguments)
        session = onnxruntime.InferenceSession(str(files[name]), providers=["CPUExecutionProvider"])
        fed = {i.name: np.ascontiguousarray(a.numpy()) for i, a in zip(session.get_inputs(), arguments, strict=True)}
        with torch.no_grad():
            expected = part(*arguments)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for one, other in zip(session.run(None, fed), expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-4 * max(1.0, float(other.abs().max())))


def test_without_onnx_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    scene, inputs = prepared(pair())
    with pytest.raises(MissingPackageError, match="pip install onnx onnxscript"):
        write_onnx(folded(lived_in(TINY)), scene.shared, inputs, tmp_path)


def test_the_command_says_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path, FAMILY, FAMILY.network(), Settings(), {})
    command = ["i2p", "export", str(tmp_path), "--width", "128", "--height", "48", "--no-onnx", "--set", "device=cpu"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 0 and "not TensorRT" in capsys.readouterr().err

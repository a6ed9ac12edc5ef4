#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A network with a constant that it adds, such as the origin of a map in UTM coordinates or the principal point of a
# camera, is saved by openvino.save_model and read again. It runs on the CPU in float32 both times.
#
# Expected: the same results, or an error for numbers that the file's type cannot hold.
# Seen in OpenVINO 2026.4.1: constants become float16 unless compress_to_fp16=False is given. An easting of 457,123.4 m
# and a northing of 5,428,456 m are both saved as 65,504 m, the largest float16, a principal point of 1023.37 px as
# 1023.5 px, and 1e-8, which keeps a divisor from 0, as 0. Nothing is said. A constant is kept as it is only if three
# quarters of its numbers or more are out of range, so that a lone 70,000 is kept, and one among small numbers is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys

import numpy as np
import openvino
from openvino import opset13

core = openvino.Core()


def added(model: openvino.Model, size: int) -> np.ndarray:
    """What the model adds to zeros."""
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return compiled(np.zeros((1, size), np.float32))[0][0]


print("OpenVINO", openvino.__version__)
for numbers, expected in (
    ([457123.4, 5428456.0, 110.0], [65504, 65504, 110]),
    ([1023.37, 540.1, 700.12], [1023.5, 540, 700]),
    ([1e-8, 1.0, 2.0], [0, 1, 2]),
    ([70000.0, 1.0, 2.0, 3.0], [65504, 1, 2, 3]),
    ([70000.0], [70000]),
):
    values = np.array([numbers], np.float32)
    points = opset13.parameter(list(values.shape), np.float32)
    model = openvino.Model([opset13.add(points, opset13.constant(values))], [points])
    assert np.array_equal(added(model, len(numbers)), values[0])
    path = f"{sys.argv[1]}/model.xml"
    openvino.save_model(model, path)
    saved = added(core.read_model(path), len(numbers))
    openvino.save_model(model, path, compress_to_fp16=False)
    whole = added(core.read_model(path), len(numbers))
    print(f"  {numbers}: saved as {saved.tolist()}")
    assert np.array_equal(whole, values[0])
    assert np.allclose(saved, expected, atol=1e-12), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" "$folder"

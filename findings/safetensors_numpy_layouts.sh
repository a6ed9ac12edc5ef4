#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# safetensors.numpy saves arrays that are not in C order: a transposed one, and every second column.
#
# Expected: the same values are read, or an error, as safetensors.torch raises one for such tensors.
# Seen in safetensors 0.8.0: nothing is said, and arrays of the right shapes come back with their values in another
# order, or with values of the other columns. The docstring asks for contiguous arrays, but nothing checks it. W.T of a
# linear layer is the usual case, when weights are converted between frameworks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

values = np.arange(12, dtype=np.float32).reshape(3, 4)
layouts = {
    "C order": values,
    "transposed": np.ascontiguousarray(values.T).T,
    "columns": np.repeat(values, 2, axis=1)[:, ::2],
    "big-endian": values.astype(">f4"),
}
assert all((array == values).all() for array in layouts.values())
read = {name: load(save({"weights": array}))["weights"] for name, array in layouts.items()}
print(safetensors.__version__, {name: array.ravel().astype(int).tolist() for name, array in read.items()})
same = {name: bool((array == values).all()) for name, array in read.items()}
assert same == {"C order": True, "transposed": False, "columns": False, "big-endian": True}, "it has changed"
assert all(array.shape == values.shape for array in read.values()), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

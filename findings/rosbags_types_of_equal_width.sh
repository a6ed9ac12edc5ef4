#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A message is serialised by rosbags with an array of another type than its field has, but of the same width: signed
# integers for unsigned, float32 for uint32, or float32 in big-endian order.
#
# Expected: the same numbers are read back, or an error, as rosbags raises one for float64 in a field of float32.
# Seen in rosbags 0.11.9: the bytes are written as they are. -1 is read as 4294967295, 1.0 as 1065353216, and 1, 2 and 3
# of a big-endian array as 4.6e-41, 9.0e-44 and 2.3e-41. Only the number of bytes is compared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata

import numpy as np
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
layout = store.types["std_msgs/msg/MultiArrayLayout"]([], 0)


def read_back(kind: str, values: np.ndarray) -> list[float]:
    raw = store.serialize_cdr(store.types[kind](layout, values), kind)
    return store.deserialize_cdr(raw, kind).data.tolist()


floats, integers = "std_msgs/msg/Float32MultiArray", "std_msgs/msg/UInt32MultiArray"
native = read_back(floats, np.array([1, 2, 3], "<f4"))
swapped = read_back(floats, np.array([1, 2, 3], ">f4"))
signed, real = read_back(integers, np.array([-1], np.int32)), read_back(integers, np.array([1], np.float32))
try:
    wide = str(read_back(floats, np.array([1.0, 2.0, 3.0])))
except ValueError as error:
    wide = f"ValueError: {error}"
print(importlib.metadata.version("rosbags"), "native:", native, "big-endian:", swapped, "float64:", wide)
print("uint32 of -1:", signed, "of 1.0:", real)
assert native == [1, 2, 3] and max(swapped) < 1e-40 and wide.startswith("ValueError"), "the behaviour has changed"
assert signed == [2**32 - 1] and real == [1065353216], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

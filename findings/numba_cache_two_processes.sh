#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# One function of numba with cache=True, which several processes call for the first time at once, each with another type
# of array: the nodes of a launch file, the workers of Ray, the workers of a test.
#
# Expected: at worst each process compiles for itself, and the folder of the cache has one file for each signature.
# Seen in numba 0.68.1: a process reads the index, chooses the next free number for its file, and writes the index, with
# no lock. Two that do so together choose one file for two signatures. The error stays: every later process loads code of
# the wrong signature, until the cache is removed. It raises TypeError ("can't unbox array") where the sizes of elements
# differ. Where they do not, it reads the elements as another type or with another stride, gives wrong numbers, and raises
# nothing: the sum of 0 to 7 was 3.2e19.
# With eight processes it takes some tries: about one in six on two busy cores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/mod.py" <<'PYTHON'
from numba import njit


@njit(cache=True)
def total(x):
    s = 0.0
    for v in x:
        s += v
    return s
PYTHON
cat > "$folder/arrays.py" <<'PYTHON'
import itertools

import numpy as np


def arrays():
    """Eight types of arrays: four element types, contiguous and strided."""
    for dtype, step in itertools.product(["float64", "float32", "int64", "int32"], [1, 2]):
        yield np.arange(16, dtype=dtype)[::step][:8]
PYTHON
cat > "$folder/first.py" <<'PYTHON'
import sys
import time

import mod
from arrays import arrays

x = list(arrays())[int(sys.argv[1])]
while time.time() < float(sys.argv[2]):
    pass
mod.total(x)
PYTHON
cat > "$folder/later.py" <<'PYTHON'
import mod
from arrays import arrays

wrong = 0
for x in arrays():
    try:
        found = mod.total(x)
    except TypeError as error:
        found = f"TypeError: {str(error).split('.')[0]}"
    if found != x.sum():
        wrong += 1
        print(f"{x.dtype}, {'contiguous' if x.flags.contiguous else 'strided'}: {found}, expected {x.sum()}")
raise SystemExit(wrong > 0)
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1 numpy==2.4.6 2>/dev/null
cd "$folder"
for attempt in $(seq 80); do
  rm -rf __pycache__
  start=$(($(date +%s) + 4))
  for kind in 0 1 2 3 4 5 6 7; do venv/bin/python first.py "$kind" "$start" & done
  wait
  if ! venv/bin/python later.py; then
    echo "attempt $attempt: a process that started later, alone, got the above; and once more:"
    if venv/bin/python later.py; then echo "the behaviour has changed"; exit 1; fi
    exit 0
  fi
done
echo "the behaviour has changed: 80 attempts without an error"
exit 1

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Positions of a vehicle, ten rows of x, y and z with ten stamps, in an MDF file of version 4, as an asammdf Signal.
#
# Expected: get() gives ten rows of three values, as it does for an array of uint8; or append refuses them, as it does
# for MDF version 3. A Signal takes "array-like" samples, and compares their length with that of the stamps.
# Seen in asammdf 8.8.28: the file has a channel of ten numbers, which are the first ten of all: 1, 2 and 3 of the first
# row, 4, 5 and 6 of the second, and so on. The number of samples and the stamps are as expected. The other 20 are
# neither in the channel nor in another. The same with float32, int32 and uint16. Before it is saved, get() gives rows
# of three, of which the first column has these numbers. There is no warning. A structured array with one field of the
# channel's name and three values is stored as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from asammdf import MDF, Signal

STAMPS = np.arange(10) / 10
PATH = f"{sys.argv[1]}/drive.mf4"


def stored(samples: np.ndarray) -> np.ndarray:
    with MDF() as log:
        log.append([Signal(samples, STAMPS, name="position")])
        log.save(PATH, overwrite=True)
    with MDF(PATH) as log:
        signal = log.get("position")
        assert np.array_equal(signal.timestamps, STAMPS)
        return signal.samples


print("asammdf", version("asammdf"))
for kind in (np.float64, np.float32, np.int32, np.uint16):
    positions = np.arange(1, 31, dtype=kind).reshape(10, 3)
    found = stored(positions)
    with MDF(PATH) as log:
        assert set(log.channels_db) == {"time", "position"}, "the behaviour has changed"
    print(f"  {positions.dtype}, {positions[0]}, {positions[1]} and so on: {found.shape}", *found.tolist())
    assert np.array_equal(found, positions.ravel()[:10]), "the behaviour has changed"

positions = np.arange(1.0, 31).reshape(10, 3)
with MDF() as unsaved:
    unsaved.append([Signal(positions, STAMPS, name="position")])
    found = unsaved.get("position").samples
    print("  before it is saved:", found.shape, "of which the first column is", found[:, 0])
    assert found.shape == (10, 3) and np.array_equal(found[:, 0], np.arange(1, 11)), "the behaviour has changed"
octets = positions.astype(np.uint8)
assert np.array_equal(stored(octets), octets), "the behaviour has changed"
structured = np.rec.fromarrays([positions], dtype=[("position", np.float64, (3,))])
assert np.array_equal(stored(structured)["position"], positions), "the behaviour has changed"
try:
    MDF(version="3.30").append([Signal(positions, STAMPS, name="position")])
except ValueError as error:
    print("  MDF 3.30:", error)
else:
    raise AssertionError("the behaviour has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet asammdf==8.8.28 pandas==3.1.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" "$folder"

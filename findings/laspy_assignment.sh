#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Values assigned to a new LAS cloud in laspy.
#
# Expected: coordinates keep the millimetre, and values that a dimension cannot hold are refused: laspy raises
# OverflowError for coordinates that do not fit.
# Seen in laspy 2.7.0: laspy.create() has a scale of 0.01, so 500000.1234 is stored as 500000.12; setting header.scales
# afterwards does not bring it back. The uint16 `intensity` takes anything without an error or a warning: normalised
# intensities of 0 to 1 become 0, and 70000 becomes 4464.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import warnings

import laspy
import numpy as np

warnings.simplefilter("error")
las = laspy.create(point_format=3)
las.x = np.array([500000.1234, 500001.5678, 500002.0])
las.header.scales = np.array([0.001, 0.001, 0.001])
x = np.array(las.x).tolist()
las.intensity = np.array([0.1, 0.5, 0.99])
normalised = np.array(las.intensity).tolist()
las.intensity = np.array([300, 65535, 70000])
counts = np.array(las.intensity).tolist()
try:
    las.x = np.array([3e7, 0, 0])
    large = "taken"
except OverflowError:
    large = "OverflowError"
print("x:", x, "intensities:", normalised, counts, "x of 3e7:", large)
assert x == [500000.12, 500001.57, 500002.0] and large == "OverflowError", "the behaviour has changed"
assert normalised == [0, 0, 0] and counts == [300, 65535, 4464], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet laspy==2.7.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

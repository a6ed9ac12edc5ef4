#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# pye57 writes a scan in map coordinates (float64) with the row and column of each point to an .e57 file.
#
# Expected: the same values are read, or an error. E57 is a format of surveyors, and has 64-bit numbers.
# Seen in pye57 0.4.19: write_scan_raw stores coordinates as float32 and indices in 16 bits. Coordinates come back as
# float64 arrays whose northings are off by up to 0.25 m; row 70,000 comes back as 4464. Neither is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata
import tempfile
from pathlib import Path

import numpy as np
import pye57

path = str(Path(tempfile.mkdtemp()) / "scan.e57")
rng = np.random.default_rng(0)
scan = {f"cartesian{name}": rng.uniform(0, 100, 70_001) + at for name, at in (("X", 5e5), ("Y", 4.5e6), ("Z", 100.0))}
scan["rowIndex"], scan["columnIndex"] = np.arange(70_001), np.zeros(70_001, int)
with pye57.E57(path, mode="w") as file:
    file.write_scan_raw(scan)
with pye57.E57(path) as file:
    read = file.read_scan_raw(0)
off = {name: float(np.abs(read[name] - scan[name]).max()) for name in scan if name.startswith("cartesian")}
print(importlib.metadata.version("pye57"), read["cartesianY"].dtype, "off by, m:", off)
print("row 70000 ->", read["rowIndex"][-1])
assert read["cartesianY"].dtype == np.float64 and 0.2 < off["cartesianY"] < 0.26, "the behaviour has changed"
assert read["rowIndex"][-1] == 70_000 - 65_536, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pye57==0.4.19 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

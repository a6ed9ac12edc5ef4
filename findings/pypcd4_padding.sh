#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# pypcd4 reads a .pcd file with padding, as PCL writes it for PointXYZI: FIELDS x y z _ intensity _ with COUNT 1 1 1 4 1
# 12.
#
# Expected: padding is left out, or is named `_`: four or six fields. numpy() gives (N, 4).
# Seen in pypcd4 1.5.1: twenty fields, one for each byte of padding, with random names such as `#$%&~~bALXVy__0000` that
# differ from run to run. numpy() gives (N, 20) with intensity in column 7. Names are the only way that works:
# numpy(("x", "y", "z", "intensity")). Fields of several values get names, too, that the file does not have:
# normal__0000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

import numpy as np
from pypcd4 import PointCloud

header = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z _ intensity _
SIZE 4 4 4 1 4 1
TYPE F F F U F U
COUNT 1 1 1 4 1 12
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA binary
"""
layout = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("a", "u1", 4), ("intensity", "<f4"), ("b", "u1", 12)]
points = np.zeros(3, layout)
points["x"], points["intensity"] = [1, 2, 3], [10, 20, 30]
path = Path(tempfile.mkdtemp()) / "cloud.pcd"
path.write_bytes(header.encode() + points.tobytes())
first, second = PointCloud.from_path(path), PointCloud.from_path(path)
print(first.fields[:5], "in all", len(first.fields), "; numpy()", first.numpy().shape, "column 7:", first.numpy()[:, 7])
assert len(first.fields) == 20 and "_" not in first.fields and first.numpy().shape == (3, 20), "it has changed"
assert first.fields[3] != second.fields[3], "the behaviour has changed"
assert first.numpy(("x", "intensity")).tolist() == [[1, 10], [2, 20], [3, 30]], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pypcd4==1.5.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

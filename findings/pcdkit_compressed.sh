#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A cloud with x, y, z and intensity, saved by pcdkit in the three encodings of .pcd, and read by pcdkit and pypcd4.
#
# Expected: the same points of each.
# Seen in pcdkit 0.2.14: binary_compressed is written point by point, and read field by field, as PCL reads it. Save and
# load give no error and other points: z of one point becomes x of another. ascii and binary are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pcdkit
import pypcd4

table = np.array([[x, 100 + x, 200 + x, 300 + x] for x in range(4)], np.float32)
cloud = table.view([(name, "<f4") for name in ("x", "y", "z", "intensity")]).ravel()
print("pcdkit", version("pcdkit"), "pypcd4", version("pypcd4"))
for encoding in ("ascii", "binary", "binary_compressed"):
    path = Path(tempfile.mkdtemp()) / "cloud.pcd"
    pcdkit.from_array(cloud.copy()).save(path, encoding)
    for reader, data in (
        ("pcdkit", pcdkit.load_pcd_from_path(path).pc_data),
        ("pypcd4", pypcd4.PointCloud.from_path(path).pc_data),
    ):
        found = np.array([list(point) for point in data.ravel()])
        print(f"  {encoding}, read by {reader}:", found.tolist())
        if encoding == "binary_compressed":
            assert np.array_equal(found, table.ravel().reshape(4, 4).T), "the behaviour has changed"
        else:
            assert np.array_equal(found, table), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pcdkit==0.2.14 pypcd4==1.5.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

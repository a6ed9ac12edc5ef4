#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A compressed .pcd file with a field of several values, such as a descriptor or FIELDS x y z normal ring with COUNT 1 1
# 1 3 1. pcl_convert_pcd_ascii_binary of PCL 1.13.0 wrote it from the ASCII below. PCL stores field after field, and of
# a field point after point.
#
# Expected: the values of the ASCII file, as PCL and the uncompressed binary file give.
# Seen in pypcd4 1.5.1, mpcd 0.1.1 and pcdkit 0.2.14: a field of several values is taken value after value, as if each
# were a field. The first point gets the first values of all normals, (0.1, 0.4, 0.7) for (0.1, 0.2, 0.3). Positions and
# other fields of one value are right, and nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import base64
import tempfile
from importlib.metadata import version
from pathlib import Path

import mpcd
import numpy as np
import pcdkit
import pypcd4

header = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z normal ring
SIZE 4 4 4 4 2
TYPE F F F F U
COUNT 1 1 1 3 1
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA """
rows = "1 2 3 0.1 0.2 0.3 7\n4 5 6 0.4 0.5 0.6 8\n7 8 9 0.7 0.8 0.9 9\n"
packed = base64.b64decode(
    "TgAAAE4AAAAKAACAPwAAgEAAAOAgAwAAIAMAoCADAQBBIAogBwDAIAMNEE"
    "HNzMw9zcxMPpqZmT4gCww+AAAAP5qZGT8zMzM/IBcKP2ZmZj8HAAgACQA="
)
folder = Path(tempfile.mkdtemp())
(folder / "ascii.pcd").write_text(f"{header}ascii\n{rows}")
(folder / "compressed.pcd").write_bytes(f"{header}binary_compressed\n".encode() + packed)
table = np.array([row.split() for row in rows.splitlines()], float)
for name, read in (
    ("pypcd4", pypcd4.PointCloud.from_path),
    ("mpcd", mpcd.PointCloud.from_path),
    ("pcdkit", pcdkit.load_pcd_from_path),
):
    plain, found = (
        np.array([list(point) for point in read(str(folder / f"{kind}.pcd")).pc_data.ravel()], float)
        for kind in ("ascii", "compressed")
    )
    print(name, version(name), "normals of the three points:", found[:, 3:6].round(3).tolist())
    assert np.allclose(plain, table) and np.allclose(found[:, [0, 1, 2, 6]], table[:, [0, 1, 2, 6]])
    assert np.allclose(found[:, 3:6], table[:, 3:6].T), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pypcd4==1.5.1 mpcd==0.1.1 pcdkit==0.2.14 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

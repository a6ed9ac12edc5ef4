#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# pyntcloud writes a scan with a column of integers (ring: uint16, t: uint32 or int64) to .ply, and reads a .las file
# in UTM coordinates.
#
# Expected: the columns as they were, or an error for a type that is not supported.
# Seen in pyntcloud 0.3.1: the header names another type than the bytes have: uchar for every unsigned type, int for
# every signed one. The first point is right but for its integer; all others are read from shifted bytes, by pyntcloud
# and by plyfile: an x of 11 m becomes 4.7e-10 m. Coordinates of .las are float32, which moves points in UTM
# coordinates by up to 0.25 m.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from importlib.metadata import version
from pathlib import Path

import laspy
import numpy as np
import pandas as pd
import plyfile
from pyntcloud import PyntCloud

print({name: version(name) for name in ("pyntcloud", "plyfile", "laspy")})
folder = Path(tempfile.mkdtemp())
xyz = {"x": np.arange(10, 14, dtype=np.float32), "y": np.float32(20), "z": np.float32(30)}
for column in (
    np.arange(1000, 1004, dtype=np.uint16),
    np.arange(4_000_000_000, 4_000_000_004, dtype=np.uint32),
    np.arange(1_700_000_000_123_456_789, 1_700_000_000_123_456_793, dtype=np.int64),
):
    path = str(folder / "cloud.ply")
    PyntCloud(pd.DataFrame({**xyz, "column": column})).to_file(path)
    stated = plyfile.PlyData.read(path)["vertex"]
    again = PyntCloud.from_file(path).points
    print(f"  {column.dtype} as {stated.properties[-1].val_dtype}, x:", again.x.tolist())
    assert again.x[0] == 10 and again.y[0] == 20 and again.z[0] == 30 and np.array_equal(stated["x"], again.x)
    assert not np.isin(again.x[1:], xyz["x"]).any() and not np.isin(again.column, column).any(), "it has changed"
    assert stated.properties[-1].val_dtype == ("i4" if column.dtype.kind == "i" else "u1"), "the behaviour has changed"

las = laspy.create(point_format=3)
las.header.scales, las.header.offsets = [0.001] * 3, [457000, 5428000, 0]
rng = np.random.default_rng(0)
las.x, las.y, las.z = rng.uniform(457000, 457100, 500), rng.uniform(5428900, 5429000, 500), rng.uniform(100, 110, 500)
las.write(folder / "cloud.las")
read = PyntCloud.from_file(str(folder / "cloud.las")).points
off = np.abs(read[["x", "y", "z"]].to_numpy(float) - las.xyz).max(axis=0)
print("  .las:", set(map(str, read[["x", "y", "z"]].dtypes)), "m off in x, y, z:", off)
assert set(map(str, read[["x", "y", "z"]].dtypes)) == {"float32"} and 0.2 < off[1] <= 0.26, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyntcloud==0.3.1 plyfile==1.1.5 laspy==2.7.0 pandas==2.3.3 numpy==2.4.6 \
    2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# plyfile reads a binary .ply cloud of 100,000 points from a path, from an open file and from memory.
#
# Expected: about the same time: the data is the same, and numpy.frombuffer takes it from memory at once.
# Seen in plyfile 1.1.5: from a path and from a file on disk under 10 ms, by a memory map; from io.BytesIO a second,
# point by point. Clouds from archives and networks, which come as streams, are better written to a file first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

stream = io.BytesIO()
vertices = np.zeros(100_000, [("x", "f4"), ("y", "f4"), ("z", "f4")])
PlyData([PlyElement.describe(vertices, "vertex")]).write(stream)
path = Path(tempfile.mkdtemp()) / "cloud.ply"
path.write_bytes(stream.getvalue())
seconds = {}
for name, source in (("path", str(path)), ("file", path.open("rb")), ("memory", io.BytesIO(stream.getvalue()))):
    begin = time.perf_counter()
    assert len(PlyData.read(source)["vertex"]) == 100_000
    seconds[name] = round(time.perf_counter() - begin, 4)
print("seconds:", seconds)
assert seconds["memory"] > 20 * max(seconds["path"], seconds["file"]), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet plyfile==1.1.5 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

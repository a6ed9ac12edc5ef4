#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Points of one .las file are appended to another with laspy. The files have different scales and offsets.
#
# Expected: the same coordinates, as write_points gives them, or an error.
# Seen in laspy 2.7.0: append_points copies the raw integers, so that the point (101, 102, 3) becomes (10, 20, 30). The
# header's bounds agree with the wrong point. write_points of a writer that was opened with mode "w" converts it, and
# takes the same arguments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

import laspy
import numpy as np

path = Path(tempfile.mkdtemp()) / "points.las"


def cloud(point: list[float], offset: float, scale: float) -> laspy.LasData:
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.offsets, header.scales = [offset, offset, 0], [scale] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = np.array([point], float).T
    return las


first, second = cloud([1, 2, 3], 0, 0.01), cloud([101, 102, 3], 100, 0.001)
with laspy.open(path, mode="w", header=first.header) as writer:
    writer.write_points(first.points)
    writer.write_points(second.points)
written = laspy.read(path).xyz.tolist()
first.write(path)
with laspy.open(path, mode="a") as appender:
    appender.append_points(second.points)
appended = laspy.read(path)
print(laspy.__version__, "written:", written, "appended:", appended.xyz.tolist(), "bounds:", appended.header.maxs)
assert written == [[1, 2, 3], [101, 102, 3]], "the behaviour has changed"
assert appended.xyz.tolist() == [[1, 2, 3], [10, 20, 30]], "the behaviour has changed"
assert appended.header.maxs.tolist() == [10, 20, 30], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet laspy==2.7.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

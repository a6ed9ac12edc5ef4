#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# GTSAM writes a pose graph in map coordinates (UTM) to a .g2o file, and reads it back.
#
# Expected: the poses are the same to well below a millimetre.
# Seen in GTSAM 4.3.0: writeG2o writes six digits. The northing 4500123.457 m is written as 4.50012e+06 and comes back
# 3.5 m off; a pose near the origin is kept to a micrometre. Nothing says that digits were left out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata
import tempfile
from pathlib import Path

import gtsam
import numpy as np

path = Path(tempfile.mkdtemp()) / "graph.g2o"
off = {}
for name, where in (("near", [0.123456789, 0.456789123, 0.2]), ("UTM", [500123.456789, 4500123.456789, 123.4])):
    pose = gtsam.Pose3(gtsam.Rot3.RzRyRx(0.1, 0.2, 0.3), np.array(where))
    values = gtsam.Values()
    values.insert(0, pose)
    gtsam.writeG2o(gtsam.NonlinearFactorGraph(), values, str(path))
    print(path.read_text().strip())
    _, read = gtsam.readG2o(str(path), True)
    off[name] = float(np.linalg.norm(read.atPose3(0).translation() - pose.translation()))
print(importlib.metadata.version("gtsam"), "off by, m:", off)
assert off["near"] < 1e-5 and 3 < off["UTM"] < 4, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gtsam==4.3.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

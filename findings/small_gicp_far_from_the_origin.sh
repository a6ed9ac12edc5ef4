#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# small_gicp's voxelgrid_sampling of a cloud in UTM coordinates.
#
# Expected: the same number of points as of the same cloud near the origin.
# Seen in small_gicp 1.0.1: of 20,000 points spread over 100 m one point is left, with voxels of 1 m as of 0.1 m; near
# the origin there are 16,435 and 19,996. The keys of the voxels have 21 bits for each axis, and northings such as
# 4,500,000 m need more. Python gets no error and no status; only the console shows "voxel coord is out of range!!", a
# line for each point.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import numpy as np
import small_gicp

rng = np.random.default_rng(0)
points = rng.uniform([-50, -50, 0], [50, 50, 5], (20_000, 3))
left = {}
for name, offset in (("origin", [0, 0, 0]), ("UTM", [500_000, 4_500_000, 200])):
    left[name] = [small_gicp.voxelgrid_sampling(points + np.array(offset, float), leaf).size() for leaf in (1.0, 0.1)]
print("points left with voxels of 1 m and 0.1 m:", left)
assert min(left["origin"]) > 15_000 and left["UTM"] == [1, 1], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet small_gicp==1.0.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" 2>/dev/null

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Two methods of LidarPointCloud in nuScenes' devkit, on a cloud of 10,000 points: subsample(ratio), and
# remove_close(radius), "too close within a certain radius from origin".
#
# Expected: subsample(0.5) leaves 5,000 of the points and subsample(1.0) all of them; remove_close(1.0) removes the
# points that are less than 1 m from the sensor.
# Seen in nuscenes-devkit 1.2.0: subsample draws with replacement: of 10,000 points 3,900 are left with a ratio of 0.5,
# and 6,300 with 1.0. The others are copies, and the shape is the expected one. remove_close removes a square column:
# all points with |x| < 1 and |y| < 1, up to 1.41 m to the side and at any height, such as the ground under the sensor
# and a bridge 8 m above it. from_file_multisweep uses it for each sweep.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from nuscenes.utils.data_classes import LidarPointCloud

print("nuscenes-devkit", version("nuscenes-devkit"))
rng = np.random.default_rng(0)
np.random.seed(0)  # the generator that subsample draws from
for ratio, expected in ((0.5, 3935), (1.0, 6321)):  # 10,000 (1 - exp(-ratio))
    cloud = LidarPointCloud(rng.normal(0, 20, (4, 10_000)).astype(np.float32))
    cloud.subsample(ratio)
    different = np.unique(cloud.points, axis=1).shape[1]
    print(f"  subsample({ratio}): {cloud.nbr_points()} points, of which {different} are different")
    assert cloud.nbr_points() == ratio * 10_000 and abs(different - expected) < 150, "the behaviour has changed"

PLACES = {"beside, 1.34 m": (0.95, 0.95, 0), "ground": (0.5, 0, -1.8), "bridge": (0, 0, 8), "ahead, 1.1 m": (1.1, 0, 0)}
left = {}
for name, place in PLACES.items():
    cloud = LidarPointCloud(np.array([[*place, 0.5]]).T)
    cloud.remove_close(1.0)
    left[name] = cloud.nbr_points()
print("  remove_close(1.0), points left:", left)
assert list(left.values()) == [0, 0, 0, 1], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nuscenes-devkit==1.2.0 numpy==1.26.4 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"

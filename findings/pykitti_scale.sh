#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Two positions of a vehicle, 1000 m apart on the ellipsoid (WGS 84), become poses by pykitti's reader of KITTI's oxts
# files. The first is in Karlsruhe, where KITTI was recorded.
#
# Expected: 1000 m apart, to a centimetre or so: the poses are the ground truth of drives of up to some kilometres.
# Seen in pykitti 0.3.1: 1001.08 m to the north, and 998.09 m to the east. The projection is that of KITTI's own
# development kit, Mercator on a sphere of 6378.137 km, whose scale is right at no latitude: 0.11 % too long one way, and
# 0.19 % too short the other. A square drive is a rectangle. An odometry that is right to 0.1 % is measured as 0.2 % off,
# and positions beside a map in UTM coordinates drift by 2 to 3 m a kilometre.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyproj
from pykitti.utils import load_oxts_packets_and_poses

LATITUDE, LONGITUDE = 49.0, 8.4
print("pykitti", version("pykitti"))
for name, azimuth, expected in (("north", 0, 1001.08), ("east", 90, 998.09)):
    files = []
    for distance in (0, 1000):
        longitude, latitude, _ = pyproj.Geod(ellps="WGS84").fwd(LONGITUDE, LATITUDE, azimuth, distance)
        path = Path(sys.argv[1]) / f"{name}{distance}.txt"
        path.write_text(f"{latitude:.15g} {longitude:.15g} 110.0 " + "0.0 " * 22 + "4 9 4 4 0\n")
        files.append(path)
    first, second = (packet.T_w_imu[:3, 3] for packet in load_oxts_packets_and_poses(files))
    apart = np.linalg.norm(second - first)
    print(f"  1000 m to the {name}: {apart:.2f} m")
    assert abs(apart - expected) < 0.01, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pykitti==0.3.1 opencv-python-headless==4.13.0.92 pyproj==3.7.2 \
    numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py" "$folder"

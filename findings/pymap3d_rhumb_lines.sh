#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Length and direction of rhumb lines (loxodromes) to the east and west between places on the same latitude, on both
# sides of the longitude of 180 degrees, as at Fiji; and the geodetic position of a satellite of GPS.
#
# Expected: loxodrome_inverse goes the short way, "like Matlab distance('rh',...)", or at least all of the way round.
# ecef2geodetic leads back to its ECEF coordinates to a micrometre at any height.
# Seen in pymap3d 3.2.0: two places on the equator that are 2 degrees apart, from 179 degrees east to 179 degrees west,
# are 19,815 km apart to the west, which is 178 degrees; the short way is 223 km, and the long way 39,852 km. Walking
# that far in that direction (loxodrome_direct) ends at 1 degree east, on the other side of the earth. Two places that
# are 2 degrees apart elsewhere are 223 km apart. vdist of the same package, a geodesic, is right. ecef2geodetic is
# right to some micrometres up to 100 km, and up to 32 m off at 20,000 km.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pymap3d
from pymap3d.lox import loxodrome_direct, loxodrome_inverse
from pymap3d.vincenty import vdist

print("pymap3d", version("pymap3d"))
for start, end, expected in ((9, 11, 223), (11, 9, 223), (179, -179, 19815), (-179, 179, 19815)):
    length, azimuth = loxodrome_inverse(0, start, 0, end)
    _, reached = loxodrome_direct(0, start, length, azimuth)
    geodesic = float(vdist(0, start, 0, end)[0])
    print(f"  {start} to {end}: {length / 1e3:.0f} km at {azimuth:.0f} degrees, which ends at {reached:.3f};", end=" ")
    print(f"geodesic {geodesic / 1e3:.0f} km")
    assert round(length / 1e3) == expected and round(geodesic / 1e3) == 223, "the behaviour has changed"
    assert (abs((reached - end + 180) % 360 - 180) < 1e-6) == (expected == 223), "the behaviour has changed"

latitudes, longitudes = np.random.default_rng(0).uniform([[-90], [-180]], [[90], [180]], (2, 2000))
for height, at_most in ((0, 1e-5), (100e3, 1e-5), (20_000e3, 40)):
    position = np.array(pymap3d.geodetic2ecef(latitudes, longitudes, np.full(2000, height)))
    again = np.array(pymap3d.geodetic2ecef(*pymap3d.ecef2geodetic(*position)))
    off = np.linalg.norm(again - position, axis=0).max()
    print(f"  at {height / 1e3:.0f} km, to geodetic and back: {off:.2g} m off")
    assert off < at_most and (off > 10) == (height > 1e6), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pymap3d==3.2.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"

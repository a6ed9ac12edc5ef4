#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Positions in the east of Germany are kept in zone 32, as official maps of the whole country are (EPSG:25832), with utm's
# force_zone_number=32. They are up to 6 degrees from the zone's central meridian, 9 degrees east; its border is at 3.
#
# Expected: to_latlon is right to some millimetres, as from_latlon is, in all of the range that it accepts, which are
# eastings up to 1,000 km.
# Seen in utm 0.9.0: to_latlon is 0.4 mm off at 3 degrees, 6 mm at 4.5 and 46 mm at 6, from_latlon at most 3 mm. pyproj
# is right to a micrometre. So positions that are brought to UTM and back do not come back, and a receiver's centimetres
# are lost in coordinates that hold them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pyproj
import utm

geod = pyproj.Geod(ellps="WGS84")
project = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
print("utm", version("utm"), "zone 32, 49 degrees north")
for east, expected in ((3, 0.0004), (4.5, 0.0061), (6, 0.0459)):
    latitude, longitude = 49.0, 9.0 + east
    easting, northing = project.transform(longitude, latitude)
    back = utm.to_latlon(easting, northing, 32, "U")
    mine = utm.from_latlon(latitude, longitude, force_zone_number=32)
    there = np.hypot(mine[0] - easting, mine[1] - northing)
    off = geod.inv(longitude, latitude, back[1], back[0])[2]
    exact = geod.inv(longitude, latitude, *project.transform(easting, northing, direction="INVERSE"))[2]
    print(f"  {east} degrees east: easting {easting:.0f}, from_latlon {there:.4f} m, to_latlon {off:.4f} m off")
    assert exact < 1e-6 and there < 0.003, "the behaviour has changed"
    assert 0.8 < off / expected < 1.25, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet utm==0.9.0 pyproj==3.7.2 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

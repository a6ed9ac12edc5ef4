#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A map's origin (latitude, longitude and altitude) is given to each projector of lanelet2, and projected by it.
#
# Expected: (0, 0, 0), as the origin is the point that the others are measured from.
# Seen in lanelet2 1.2.3: LocalCartesianProjector gives (0, 0, 0). UtmProjector gives (0, 0, 100): the altitude of the
# origin is not taken off. MercatorProjector gives (613470, 4116679, 100): of the origin it takes the scale alone. A map
# that is loaded with one projector and a pose or cloud that was made with another, from the same Origin, are 100 m or
# 4,000 km apart. 150 m north at 150 m of altitude, z is 50.0, 150 and 150.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from lanelet2.core import GPSPoint
from lanelet2.io import Origin
from lanelet2.projection import LocalCartesianProjector, MercatorProjector, UtmProjector

LATITUDE, LONGITUDE, ALTITUDE = 49.0, 8.4, 100.0
expected = {
    LocalCartesianProjector: ([0, 0, 0], 50),
    UtmProjector: ([0, 0, 100], 150),
    MercatorProjector: ([613470, 4116679, 100], 150),
}
print("lanelet2", version("lanelet2"))
for projector, (origin, height) in expected.items():
    project = projector(Origin(LATITUDE, LONGITUDE, ALTITUDE)).forward
    first = project(GPSPoint(LATITUDE, LONGITUDE, ALTITUDE))
    other = project(GPSPoint(LATITUDE + 150 / 111200, LONGITUDE, 150.0))
    found = np.array([first.x, first.y, first.z])
    print(f"  {projector.__name__}: origin {found.round(2)}, z at 150 m {other.z:.2f}")
    assert np.allclose(found, origin, atol=0.5) and abs(other.z - height) < 0.1, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lanelet2==1.2.3 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A position of a GNSS receiver (latitude, longitude and height above the ellipsoid, EPSG:4979) is brought to the system
# of a map: UTM with heights above sea level by EGM96 (EPSG:32632+5773) or DHHN2016 (EPSG:25832+7837).
#
# Expected: the height falls by the undulation of the geoid, which is some 48 m there; or an error where the grid of
# undulations is not installed, since pyproj's wheels hold none.
# Seen in pyproj 3.7.2 (PROJ 9.5.1): the height is given back as it was, 150 m, with no error and no warning, also with
# only_best=True and errcheck=True. The transformer's description says "ballpark vertical transformation", and its
# accuracy is -1. Only allow_ballpark=False raises. Latitude and longitude are right, so that a map looks right from
# above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import warnings

import pyproj

warnings.simplefilter("error")
print("pyproj", pyproj.__version__, "PROJ", pyproj.proj_version_str)
for target, place in (("EPSG:32632+5773", (8.4, 49.0)), ("EPSG:25832+7837", (8.4, 49.0))):
    for options in ({}, {"only_best": True}):
        transformer = pyproj.Transformer.from_crs("EPSG:4979", target, always_xy=True, **options)
        x, y, z = transformer.transform(*place, 150.0, errcheck=True)
        print(f"  {target} {options}: {x:.2f} {y:.2f} {z:.2f}, accuracy {transformer.accuracy}")
        assert abs(x - 456114.60) < 0.01 and abs(y - 5427629.20) < 0.01
        assert z == 150.0 and transformer.accuracy == -1, "the behaviour has changed"
    try:
        pyproj.Transformer.from_crs("EPSG:4979", target, always_xy=True, allow_ballpark=False)
    except pyproj.exceptions.ProjError as error:
        print("  allow_ballpark=False:", error)
    else:
        raise AssertionError("the behaviour has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyproj==3.7.2 2>/dev/null
PROJ_NETWORK=OFF "$folder/venv/bin/python" "$folder/run.py"

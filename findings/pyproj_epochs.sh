#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A position in Europe from a receiver that corrects by itself (PPP), in ITRF2014 or ITRF2020 at the date of
# measurement, is brought to ETRS89, the system of European maps, by pyproj. The two systems drift apart by 2.5 cm a
# year.
#
# Expected: an error or NaN if no date is given, since the shift depends on it; and that "WGS 84", which is how receivers
# call their coordinates, is treated as ITRF.
# Seen in pyproj 3.7.2 (PROJ 9.5.1): without the date, a fourth argument, the position moves by 0.64 m, where 0.91 m are
# right for 2026. Nothing is said, whatever only_best and allow_ballpark are. From WGS 84, also from WGS 84 (G2139),
# which is ITRF2014 to a centimetre, it does not move at all, whether a date is given or not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import warnings

import numpy as np
import pyproj

warnings.simplefilter("error")
PLACE = (8.4, 49.0, 150.0)  # Karlsruhe
geocentric = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
print("pyproj", pyproj.__version__, "PROJ", pyproj.proj_version_str)
options = {"always_xy": True, "only_best": True, "allow_ballpark": False}
for name, source, undated, dated in (
    ("ITRF2014", "EPSG:7912", 0.64, 0.91),
    ("ITRF2020", "EPSG:9989", 0.64, 0.91),
    ("WGS 84", "EPSG:4979", 0, 0),
    ("WGS 84 (G2139)", "EPSG:9755", 0, 0),
):
    transformer = pyproj.Transformer.from_crs(source, "EPSG:4937", **options)
    moved = []
    for date in ((), (2026.0,)):
        found = transformer.transform(*PLACE, *date, errcheck=True)[:3]
        moved.append(float(np.linalg.norm(np.subtract(geocentric.transform(*found), geocentric.transform(*PLACE)))))
    print(f"  {name}: moved by {moved[0]:.3f} m without a date, {moved[1]:.3f} m in 2026")
    assert np.allclose(moved, [undated, dated], atol=0.01), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyproj==3.7.2 numpy==2.4.6 2>/dev/null
PROJ_NETWORK=OFF "$folder/venv/bin/python" "$folder/run.py"

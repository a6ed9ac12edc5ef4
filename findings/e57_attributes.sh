#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# .e57 files of two scans with colours and intensities, of which pye57 marks one point as invalid, as scanners do with
# each ray that meets nothing; and files of which one scan has intensities or colours, and the other has not.
#
# Expected: read_points of the package e57 gives a colour and an intensity for each of the points that it gives.
# Seen in e57 0.2.3: it leaves the invalid point out, and with it all colours and intensities of the file: both arrays
# are empty. They are also empty where one scan has none, and the intensities where one scan has colours only. Scans
# without colours get their intensities as colours, which the array does not tell from true ones. There is no warning.
# pye57 reads all of them. If no scan has an invalid point, and all have both, the arrays are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version

import e57
import numpy as np
import pye57

PATH = f"{sys.argv[1]}/survey.e57"


def scan(start: int, *, invalid: bool = False, intensity: bool = True, colour: bool = True) -> dict[str, np.ndarray]:
    values = {f"cartesian{axis}": np.arange(start, start + 4.0) for axis in "XYZ"}
    if intensity:
        values["intensity"] = np.arange(start, start + 4) / 64
    if colour:
        values |= {f"color{name}": np.arange(start, start + 4).astype(np.uint8) for name in ("Red", "Green", "Blue")}
    if invalid:
        values["cartesianInvalidState"] = np.array([0, 2, 0, 0], np.uint8)
    return values


CASES = {  # scans, and how many points, colours and intensities there are
    "complete": ([scan(1), scan(11)], (8, 8, 8)),
    "one invalid point": ([scan(1, invalid=True), scan(11)], (7, 0, 0)),
    "a scan with neither": ([scan(1, intensity=False, colour=False), scan(11)], (8, 0, 0)),
    "a scan without intensities": ([scan(1, intensity=False), scan(11)], (8, 8, 0)),
    "a scan without colours": ([scan(1, colour=False), scan(11)], (8, 8, 8)),
}
print({name: version(name) for name in ("e57", "pye57")})
for name, (scans, expected) in CASES.items():
    with pye57.E57(PATH, mode="w") as file:
        for values in scans:
            file.write_scan_raw(values)
    cloud = e57.read_points(PATH)
    found = (len(cloud.points), len(cloud.color), len(cloud.intensity))
    print(f"  {name}: {found[0]} points, {found[1]} colours, {found[2]} intensities; red:", cloud.color[:, 0].round(3))
    assert found == expected, "the behaviour has changed"
    with pye57.E57(PATH) as file:
        for i, values in enumerate(scans):
            read = file.read_scan_raw(i)
            assert all(np.array_equal(read[field], values[field]) for field in values), "the file is another"
intensities = np.arange(1, 5) / 64  # of the scan without colours in the last file
assert np.allclose(cloud.color[:4, 0], intensities), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet e57==0.2.3 pye57==0.4.19 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py" "$folder"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Quaternions of seven filters of AHRS, from the same resting IMU: accelerations and magnetic field in two
# orientations.
#
# Expected: one meaning of Q in one library, so that a filter can be replaced by another.
# Seen in AHRS 0.4.0: Tilt, FAMC, Madgwick, Mahony and Complementary give the rotation from the body to the world,
# SAAM and AQUA its inverse, from the world to the body. The turn between the two orientations is right to 1 degree in
# one reading, and 90 degrees off in the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from ahrs import filters
from scipy.spatial.transform import Rotation

N = 3000
FIELD, UP = np.array([20.0, 0.0, -44.0]), np.array([0.0, 0.0, 9.81])  # x north, y west, z up
BOTH = [Rotation.from_euler("zyx", angles, degrees=True) for angles in ([30, 10, 20], [75, -5, 10])]  # world from body
TURN = BOTH[0].inv() * BOTH[1]


def orientation(name: str, body: Rotation) -> Rotation:
    rows = {"acc": np.tile(body.inv().apply(UP), (N, 1)), "mag": np.tile(body.inv().apply(FIELD), (N, 1))}
    if name not in ("Tilt", "SAAM", "FAMC"):
        rows |= {"gyr": np.zeros((N, 3)), "frequency": 100.0}
    w, *xyz = getattr(filters, name)(**rows).Q[-1]
    return Rotation.from_quat([*xyz, w])


print("AHRS", version("ahrs"), "degrees off if Q is (world from body, body from world):")
for names, inverse in ((["Tilt", "FAMC", "Madgwick", "Mahony", "Complementary"], 0), (["SAAM", "AQUA"], 1)):
    for name in names:
        a, b = (orientation(name, body) for body in BOTH)
        off = [float(np.degrees((found * TURN.inv()).magnitude())) for found in (a.inv() * b, a * b.inv())]
        print(f"  {name}: {off[0]:.1f}, {off[1]:.1f}")
        assert off[inverse] < 1 and off[1 - inverse] > 5, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ahrs==0.4.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

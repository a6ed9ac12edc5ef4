#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The mean of two rotations about z, by 0 and 20 degrees. The second quaternion has the other sign, which is the same
# rotation: matrices give this sign or that.
#
# Expected: 10 degrees, as scipy and AHRS give it. The chordal metric is one of rotations.
# Seen in numpy-quaternion 2024.0.13: mean_rotor_in_chordal_metric gives -170 degrees. It adds up the quaternions, and
# the mean of q, -q, q and -q, one and the same rotation, is NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata

import numpy as np
import quaternion
from ahrs import QuaternionArray
from scipy.spatial.transform import Rotation

a = np.array([1.0, 0, 0, 0])
b = -Rotation.from_euler("z", 20, degrees=True).as_quat(scalar_first=True)


def angle(q: np.ndarray) -> float:
    return round(float(Rotation.from_quat(q, scalar_first=True).as_rotvec(degrees=True)[2]), 6)


def chordal(rows: list[np.ndarray]) -> np.ndarray:
    return quaternion.as_float_array(quaternion.mean_rotor_in_chordal_metric(quaternion.as_quat_array(rows)))


means = {
    "scipy": angle(Rotation.from_quat([a, b], scalar_first=True).mean().as_quat(scalar_first=True)),
    "ahrs": angle(QuaternionArray(np.array([a, b])).average()),
    "numpy-quaternion": angle(chordal([a, b])),
}
print(importlib.metadata.version("numpy-quaternion"), means, "one rotation:", chordal([b, -b, b, -b]))
assert means == {"scipy": 10, "ahrs": 10, "numpy-quaternion": -170}, "the behaviour has changed"
assert np.isnan(chordal([b, -b, b, -b])).all(), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy-quaternion==2024.0.13 scipy==1.17.1 ahrs==0.4.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"

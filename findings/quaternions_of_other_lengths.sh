#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A quaternion of length 2, a turn by 90 degrees about z, becomes a pose; so does the same turn as a file with three
# digits has it, (0, 0, 0.707, 0.707).
#
# Expected: the quaternion is normalised, as scipy does, or refused.
# Seen in GTSAM 4.3.0, Pinocchio 4.1.0 (pin) and COLMAP 4.2.1 (pycolmap): all take it as it is. The rotation matrix then
# has a determinant of 25 instead of 1, and inverse() is no inverse in pycolmap. With the three digits a point 1 km away
# is 0.4 m off its place; trajectories in text files give such quaternions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import gtsam
import numpy as np
import pinocchio
import pycolmap
from scipy.spatial.transform import Rotation

makers = {
    "scipy": lambda q: Rotation.from_quat(q).as_matrix(),
    "gtsam": lambda q: gtsam.Rot3.Quaternion(q[3], *q[:3]).matrix(),
    "pin": lambda q: pinocchio.XYZQUATToSE3(np.concatenate([np.zeros(3), q])).rotation,
    "pycolmap": lambda q: pycolmap.Rigid3d(pycolmap.Rotation3d(q), np.zeros(3)).matrix()[:, :3],
}
turn = np.array([0, 0, 2**0.5, 2**0.5])  # x, y, z, w, of length 2
determinants = {name: round(float(np.linalg.det(make(turn))), 3) for name, make in makers.items()}
rounded = np.array([0, 0, 0.707, 0.707])
off = {name: float(np.linalg.norm(make(rounded) @ [1000, 0, 0] - [0, 1000, 0])) for name, make in makers.items()}
print({name: version(name) for name in makers}, "determinants:", determinants)
print("three digits, a point at 1 km is off by, m:", {name: round(value, 3) for name, value in off.items()})
pose = pycolmap.Rigid3d(pycolmap.Rotation3d(turn), np.zeros(3))
there_and_back = (pose.inverse() * (pose * np.array([1.0, 0, 0]))).round(3)
print("pycolmap, there and back:", there_and_back)
assert determinants == {"scipy": 1, "gtsam": 25, "pin": 25, "pycolmap": 25}, "the behaviour has changed"
assert off.pop("scipy") < 1e-6 and 0.4 < min(off.values()), "the behaviour has changed"
assert abs(there_and_back - [1, 0, 0]).max() > 1, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pin==4.1.0 pycolmap==4.2.1 gtsam==4.3.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# 500 random rigid motions, as matrices, are given to dual_quaternions: DualQuaternion.from_homogeneous_matrix.
#
# Expected: pow(1) is the motion, pow(0.5) twice is the motion, and from_screw(*screw()) is the motion.
# Seen in dual_quaternions 0.4.0: all three are wrong for the 203 motions of which from_homogeneous_matrix gives a
# quaternion with w < 0, which are motions of more than 90 degrees. Their angle is brought into -180 to 180 degrees, and
# the axis is not turned with it, so that the screw is of another rotation. sclerp of two poses is right, since it
# chooses the sign first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from dual_quaternions import DualQuaternion
from scipy.spatial.transform import Rotation

rng, negative, angles, wrong = np.random.default_rng(0), [], [], {"pow(1)": [], "pow(0.5) twice": [], "screw": []}
for rotation in Rotation.random(500, random_state=0):
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation.as_matrix(), rng.normal(0, 5, 3)
    given = DualQuaternion.from_homogeneous_matrix(motion)
    assert np.allclose(given.homogeneous_matrix(), motion)
    found = {
        "pow(1)": given.pow(1).homogeneous_matrix(),
        "pow(0.5) twice": np.linalg.matrix_power(given.pow(0.5).homogeneous_matrix(), 2),
        "screw": DualQuaternion.from_screw(*given.screw()).homogeneous_matrix(),
    }
    negative.append(given.q_r.w < 0)
    angles.append(np.degrees(rotation.magnitude()))
    for name, matrix in found.items():
        wrong[name].append(not np.allclose(matrix, motion, atol=1e-6))
print("dual_quaternions", version("dual_quaternions"), "w < 0:", sum(negative), "of", len(negative))
print("  wrong:", {name: sum(flags) for name, flags in wrong.items()})
print("  least angle of a wrong one:", min(a for a, flag in zip(angles, wrong["pow(1)"], strict=True) if flag))
assert sum(negative) > 100, "the behaviour has changed"
assert all(flags == negative for flags in wrong.values()), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dual_quaternions==0.4.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

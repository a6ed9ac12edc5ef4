#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Interpolation between two orientations with pyquaternion, which nuScenes' tools use for poses.
#
# Expected: Quaternion.slerp(a, b, amount) and Quaternion.rotation_matrix leave the quaternions as they are.
# Seen in pyquaternion 0.9.9: slerp turns the sign of `a` if the product of both is negative, and scales both to unit
# length. Reading rotation_matrix scales too. A list of key poses from which one interpolates is changed: the orientations
# stay, but numbers that were compared or stored before differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from pyquaternion import Quaternion

a, b = Quaternion(axis=[0, 0, 1], degrees=10), -Quaternion(axis=[0, 0, 1], degrees=50)
before = a.elements.copy()
Quaternion.slerp(a, b, 0.5)
print("before slerp:", before, "after:", a.elements)
assert (a.elements == -before).all(), "the behaviour has changed"

double = Quaternion(2.0, 0.0, 0.0, 0.0)
_ = double.rotation_matrix
print("a quaternion of length 2, after its rotation matrix was read:", double.elements)
assert double.elements.tolist() == [1.0, 0.0, 0.0, 0.0], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyquaternion==0.9.9 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# 100 points and the same points moved rigidly, by 30 degrees about z and by (0.1, 0.2, 0.3), are registered by pycpd's
# RigidRegistration. Its docstring calls R the rotation matrix, and t the translation.
#
# Expected: x = R y + t for the points y of the source, as in the paper that it implements, in Open3D and in SciPy; T =
# [R t; 0 1] is the pose.
# Seen in pycpd 2.0.0: R is the inverse, a turn by -30 degrees, to be used as y R + t with points as rows. The moved
# points that register returns are exact, so that nothing looks wrong until R goes into a 4 x 4 matrix: with it, the
# points are up to 1.3 m off in a cloud of 2 m. For small angles, as between scans, the error is small and looks like a
# poor registration.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pycpd
from scipy.spatial.transform import Rotation

turn, shift = Rotation.from_euler("z", 30, degrees=True), np.array([0.1, 0.2, 0.3])
source = np.random.default_rng(0).uniform(-1, 1, (100, 3))
target = turn.apply(source) + shift
moved, (scale, R, t) = pycpd.RigidRegistration(X=target, Y=source).register()
angle = Rotation.from_matrix(R).as_rotvec(degrees=True)[2]
columns, rows = scale * source @ R.T + t, scale * source @ R + t
off = {name: float(np.linalg.norm(found - target, axis=1).max()) for name, found in (("R y + t", columns), ("y R + t", rows))}
print("pycpd", version("pycpd"), f"scale {scale:.6f}, R turns by {angle:.3f} degrees, t {t.round(6)}, off by m:", off)
assert np.allclose(moved, target) and np.isclose(scale, 1) and np.allclose(t, shift)
assert abs(angle + 30) < 0.001 and off["y R + t"] < 1e-6 and off["R y + t"] > 1, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycpd==2.0.0 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A filter of constant velocity in the plane from filterpy's kinematic_kf(dim=2, order=1), for exact positions of a
# vehicle that starts at (0, 50) m and drives 1 m/s east and 2 m/s north. The docstring says that H is for positions,
# one per dimension.
#
# Expected: H = [[1, 0, 0, 0], [0, 0, 1, 0]] for the state [x, x', y, y'], and an estimate at the vehicle.
# Seen in filterpy 2.0.0: H = [[1, 0, 1, 0]], which measures x + y. The update with two numbers raises ValueError.
# With dim_z=2 it takes them, and both rows of H are x + y. After 10 s the vehicle is at (10, 70) m and the estimate at
# (20, 20) m, with 0.75 m/s in both directions. Nothing is raised. The rows of H are equal in space too, and with
# order_by_dim=False. With H set by hand the estimate is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from filterpy.common import kinematic_kf

DT, STEPS = 0.1, 100
RIGHT = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])
times = DT * np.arange(1, STEPS + 1)
positions = np.column_stack([times, 50 + 2 * times])


def track(H: np.ndarray | None) -> np.ndarray:
    kf = kinematic_kf(dim=2, order=1, dt=DT, dim_z=2)
    if H is not None:
        kf.H = H
    kf.P *= 100
    kf.R *= 0.01
    for position in positions:
        kf.predict()
        kf.update(position)
    return kf.x.ravel()


print("filterpy", version("filterpy"))
kf = kinematic_kf(dim=2, order=1, dt=DT)
print("  H:", kf.H.tolist())
assert kf.H.tolist() == [[1, 0, 1, 0]], "the behaviour has changed"
kf.predict()
try:
    kf.update(positions[0])
    raised = False
except ValueError as error:
    raised = True
    print("  update with x and y:", error)
assert raised, "the behaviour has changed"
for dim in (2, 3):
    for by_dim in (True, False):
        H = kinematic_kf(dim=dim, order=1, dt=DT, dim_z=dim, order_by_dim=by_dim).H
        print(f"  H of dim={dim}, dim_z={dim}, order_by_dim={by_dim}:", H.astype(int).tolist())
        assert np.linalg.matrix_rank(H) == 1, "the behaviour has changed"
true = np.array([positions[-1, 0], 1, positions[-1, 1], 2])
given, right = track(None), track(RIGHT)
print("  [x, x', y, y'] of the vehicle:", true, "estimate:", given.round(3), "with H set by hand:", right.round(3))
assert np.allclose(given, [20, 0.75, 20, 0.75], atol=0.01), "the behaviour has changed"
assert np.allclose(right, true, atol=0.01), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet filterpy==2.0.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

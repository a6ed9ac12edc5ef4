#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# evo pairs the poses of an estimated and of a true trajectory by time.
#
# Expected: each pose is used at most once, as in the script of the TUM benchmark (associate.py).
# Seen in evo 1.38.1: each pose of the trajectory with fewer poses takes the nearest of the other, and a pose may be
# taken several times. Three estimates within 8 ms are paired with one true pose: its error counts three times, and the
# true motion between them is zero, so that the RPE over one step is the whole motion of the estimate. With more poses
# in the estimate than in the truth the same three estimates give one pair: the result depends on which file is longer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import evo
import numpy as np
from evo.core import sync
from evo.core.trajectory import PoseTrajectory3D


def along_x(stamps: list[float]) -> PoseTrajectory3D:
    """One metre per second."""
    t = np.array(stamps)
    return PoseTrajectory3D(np.column_stack([t, 0 * t, 0 * t]), np.tile([1.0, 0, 0, 0], (len(t), 1)), t)


true = along_x([0.002, 1.0, 2.0, 3.0, 4.0])
pairs = {}
for name, stamps in (("shorter", [0.0, 0.004, 0.008, 1.0]), ("longer", [0.0, 0.004, 0.008, 1.0, 2.0, 3.0, 4.0])):
    a, b = sync.associate_trajectories(true, along_x(stamps), max_diff=0.01)
    pairs[name] = list(zip(a.timestamps.tolist(), b.timestamps.tolist(), strict=True))
print(evo.__version__, pairs)
assert [t for t, _ in pairs["shorter"]] == [0.002, 0.002, 0.002, 1.0], "the behaviour has changed"
assert [t for t, _ in pairs["longer"]] == [0.002, 1.0, 2.0, 3.0, 4.0], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet evo==1.38.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Trajectories of a vehicle at 20 m/s over 40 s are compared by evalio: 400 true poses, ten a second, and an estimate
# whose poses are all exact. It lost one pose, or 10 s of poses. Both start at the origin, as in KITTI.
#
# Expected: ate and rte pair poses by their stamps, and give 0. True poses without an estimate nearby in time are left
# out, as by evo.
# Seen in evalio 0.6.1:
#   one pose lost, and one more at the end   the stamps are not compared, since both have 400 poses and the first ones
#                                            are equal. The second halves are paired by their numbers: 2 m off each, and
#                                            1 m on average. Without the pose at the end all is 0
#   10 s lost of an estimate at 20 Hz        each true pose gets the nearest estimate, however far it is in time: up to
#                                            100 m off, and 12.6 m on average. An estimate at 10 Hz that lost the same
#                                            10 s gets 0, because there the poses of the estimate choose
# There is no warning, and no parameter for the greatest distance in time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from evalio import stats
from evalio.types import SE3, SO3, Stamp, Trajectory

print("evalio", version("evalio"))


def drive(seconds: np.ndarray) -> Trajectory:
    return Trajectory(
        stamps=[Stamp.from_sec(time) for time in seconds],
        poses=[SE3(SO3.identity(), np.array([20 * time, 0, 0])) for time in seconds],
    )


ten, twenty = np.arange(400) / 10, np.arange(800) / 20
CASES = {  # stamps of the estimate; greatest and mean errors of ate, and the greatest of rte over 1 s
    "all poses": (ten, 0, 0, 0),
    "one pose lost": (np.delete(ten, 200), 0, 0, 0),
    "one pose lost, one more at the end": (np.append(np.delete(ten, 200), 40.0), 2, 1, 2),
    "10 s lost at 10 Hz": (ten[(ten < 10) | (ten >= 20)], 0, 0, 0),
    "20 Hz": (twenty, 0, 0, 0),
    "10 s lost at 20 Hz": (twenty[(twenty < 10) | (twenty >= 20)], 100, 12.625, 181),
}
for name, (seconds, *expected) in CASES.items():
    absolute = stats.ate(drive(seconds), drive(ten))
    relative = stats.rte(drive(seconds), drive(ten), stats.WindowSeconds(1.0))
    found = absolute.trans.max(), absolute.mean().trans, relative.trans.max()
    print(f"  {name}: ate up to {found[0]:.2f} m, mean {found[1]:.2f} m; rte over 1 s up to {found[2]:.2f} m")
    assert np.allclose(found, expected, atol=1e-6), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet evalio==0.6.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Hand-eye calibration with cv2.calibrateHandEye from exact poses, without noise: 12 poses with rotations of some 3
# degrees about all axes; 8 poses with turns of 90 and 180 degrees; a vehicle that only yaws, for which the problem
# has no single solution.
#
# Expected: the mounting to 0.001 degrees by each of the five methods; an error or NaN for the vehicle.
# Seen in OpenCV 4.13.0:
#   small rotations      TSAI, the default, returns the identity and no translation, and prints a line to stderr; the
#                        others are exact
#   turns by 180 degrees DANIILIDIS is 10 degrees and 0.23 m off, silently
#   yaw only             only PARK gives NaN; of the others HORAUD and TSAI give a rotation some 90 degrees off, ANDREFF
#                        and DANIILIDIS a wrong translation, silently
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np
from scipy.spatial.transform import Rotation

METHODS = ["TSAI", "PARK", "HORAUD", "ANDREFF", "DANIILIDIS"]
rng = np.random.default_rng(0)


def pose(turn: Rotation, shift: list[float] | np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn.as_matrix(), shift
    return matrix


def turns(order: str, angles: list) -> list[Rotation]:
    return [Rotation.from_euler(order, angle, degrees=True) for angle in angles]


mounting = pose(Rotation.from_euler("xyz", [91, -3, 88], degrees=True), [0.1, -0.05, 0.2])
target = pose(Rotation.from_euler("xyz", [40, 130, -70], degrees=True), [2, 1, 0.5])
corners = [[0, 0, 0], [90, 0, 0], [180, 0, 0], [0, 90, 0], [0, 180, 0], [0, 0, 90], [0, 0, 180], [0, 0, 270]]
sets = {
    "small": [Rotation.from_rotvec(rng.normal(0, 0.05, 3)) for _ in range(12)],
    "half turns": turns("xyz", corners),
    "yaw": turns("z", list(range(0, 120, 10))),
}
print("OpenCV", cv2.__version__)
off = {}
for name, rotations in sets.items():
    grippers = [pose(turn, rng.normal(0, 0.5, 3)) for turn in rotations]
    targets = [np.linalg.inv(gripper @ mounting) @ target for gripper in grippers]
    parts = [part for poses in (grippers, targets) for part in zip(*((p[:3, :3], p[:3, 3]) for p in poses))]
    for method in METHODS:
        r, t = cv2.calibrateHandEye(*parts, method=getattr(cv2, f"CALIB_HAND_EYE_{method}"))
        known = np.isfinite(r).all()
        angle = np.degrees(Rotation.from_matrix(r @ mounting[:3, :3].T).magnitude()) if known else np.nan
        off[name, method] = angle, float(np.linalg.norm(t[:, 0] - mounting[:3, 3]))
        print(f"  {name} {method}: {angle:.4f} degrees and {off[name, method][1]:.4f} m off")
        if (name, method) == ("small", "TSAI"):
            assert (r == np.eye(3)).all() and not t.any(), "the behaviour has changed"
wrong = {key for key, (angle, distance) in off.items() if not (angle < 1e-3 and distance < 1e-3)}
assert wrong == {("small", "TSAI"), ("half turns", "DANIILIDIS"), *(("yaw", m) for m in METHODS)}, "it has changed"
assert off["half turns", "DANIILIDIS"][0] > 3 and off["yaw", "HORAUD"][0] > 30, "the behaviour has changed"
assert np.isnan(off["yaw", "PARK"][0]) and off["yaw", "ANDREFF"][1] > 0.1, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==4.13.0.92 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

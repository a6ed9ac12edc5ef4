#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# cv2.solvePnP of 12 points in map coordinates (UTM), given in float64 and without noise. The points fill 2 m, 5 m in
# front of the camera.
#
# Expected: the pose that is found near the origin too, to a millimetre, whatever the method; or False.
# Seen in OpenCV 4.13.0 and 5.0.0, always with True: SOLVEPNP_ITERATIVE, the default, gives a camera 2,000 km away and
# turned by about 60 degrees; its pixels are off by 97 px and 204 px. SQPNP turns the camera by 0.15 degrees.
# solvePnPRansac, which works in float32, is off by 0.8 m and 9 degrees. EPNP and AP3P are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np

rng = np.random.default_rng(0)
K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
points = rng.uniform(-1, 1, (12, 3)) + [0, 0, 5]
turn, shift = np.array([0.1, 0.2, 0.05]), np.array([0.1, -0.2, 0.3])
pixels = cv2.projectPoints(points, turn, shift, K, None)[0]
R = cv2.Rodrigues(turn)[0]


def error(result: tuple, offset: np.ndarray) -> tuple[float, float]:
    """Errors of the camera's position in m and of its orientation in degrees."""
    assert result[0], "the behaviour has changed"
    found = cv2.Rodrigues(result[1])[0]
    centre = -found.T @ result[2].ravel() - offset
    angle = np.degrees(np.linalg.norm(cv2.Rodrigues(found.T @ R)[0]))
    return round(float(np.linalg.norm(centre + R.T @ shift)), 4), round(float(angle), 4)


def errors(offset: np.ndarray) -> dict[str, tuple[float, float]]:
    there = points + offset
    found = {"RANSAC": error(cv2.solvePnPRansac(there, pixels, K, None), offset)}
    for name, n in (("ITERATIVE", 12), ("SQPNP", 12), ("EPNP", 12), ("AP3P", 4)):
        method = getattr(cv2, f"SOLVEPNP_{name}")
        found[name] = error(cv2.solvePnP(there[:n], pixels[:n], K, None, flags=method), offset)
    return found


near, far = errors(np.zeros(3)), errors(np.array([500_000.0, 4_500_000.0, 0.0]))
print(cv2.__version__, "m and degrees, near:", near)
print(cv2.__version__, "m and degrees, UTM:", far)
assert max(map(max, near.values())) < 1e-3, "the behaviour has changed"
assert far["ITERATIVE"][0] > 1e6 and far["SQPNP"][1] > 0.1 and far["RANSAC"][0] > 0.5, "the behaviour has changed"
assert max(far["EPNP"] + far["AP3P"]) < 1e-3, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The shapes of point lists and histograms of OpenCV 4 and 5 in Python.
#
# Expected: the same shapes, since the functions and their documentation are the same.
# Seen: cv2.findNonZero gives (N, 1, 2) in 4.13.0 and (N, 2) in 5.0.0; cv2.calcHist gives (bins, 1) and (bins,). The
# usual `findNonZero(mask)[:, 0]` raises nothing: it is the list of points in 4, and the list of their x alone in 5.
# Other functions, such as projectPoints and undistortPoints, keep (N, 1, 2).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np

mask = np.eye(3, dtype=np.uint8)
K = np.eye(3)
shapes = {
    "findNonZero": cv2.findNonZero(mask).shape,
    "findNonZero[:, 0]": cv2.findNonZero(mask)[:, 0].shape,
    "calcHist": cv2.calcHist([mask], [0], None, [4], [0, 4]).shape,
    "projectPoints": cv2.projectPoints(np.ones((3, 3)), np.zeros(3), np.zeros(3), K, None)[0].shape,
    "undistortPoints": cv2.undistortPoints(np.ones((3, 2)), K, np.zeros(5)).shape,
}
print(cv2.__version__, shapes)
old = [(3, 1, 2), (3, 2), (4, 1), (3, 1, 2), (3, 1, 2)]
new = [(3, 2), (3,), (4,), (3, 1, 2), (3, 1, 2)]
assert list(shapes.values()) == (old if cv2.__version__.startswith("4") else new), "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

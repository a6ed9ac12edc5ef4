#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# cv2.undistortPoints of a lens with k1 = -0.37 (plumb_bob), whose image ends where the polynomial folds back: at r =
# 0.633, here 443 px from the centre of an image of 1280 x 720. No ray reaches the pixels farther out: they are black or
# a mirrored rim.
#
# Expected: NaN, or a point that projects back to its pixel.
# Seen in OpenCV 4.13.0 and 5.0.0: a finite point for every pixel, and no flag. At 0.8 it is the input itself, as if the
# lens had no distortion; it projects back 133 px away (focal length 700 px). Near the fold, at 0.63, where a ray
# exists, the default five iterations end 4.9 px off. cv2.getOptimalNewCameraMatrix builds on such points: with alpha =
# 1, "all source pixels are retained", it gives fx = 700 and fy = 386, square pixels no more, and a region of valid
# pixels as wide as the image.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np

F, K1 = 700.0, -0.37
K, D = np.array([[F, 0, 640], [0, F, 360], [0, 0, 1]]), np.array([K1, 0, 0, 0, 0])
offs = {}
for r in (0.3, 0.63, 0.8):
    pixel = np.array([[[640 + F * r, 360.0]]])
    x, y = cv2.undistortPoints(pixel, K, D)[0, 0]
    back, _ = cv2.projectPoints(np.array([[[x, y, 1.0]]]), np.zeros(3), np.zeros(3), K, D)
    offs[r] = (round(float(x), 4), round(float(np.linalg.norm(back - pixel)), 3))
print(cv2.__version__, "r of the pixel: (x/z given back, its projection is off by px):", offs)
assert np.isclose(np.sqrt(1 / (3 * -K1)) * 2 / 3, 0.6327, atol=1e-4)  # largest r that the polynomial reaches
assert offs[0.3][1] < 0.01 and 3 < offs[0.63][1] < 6 and offs[0.8][0] == 0.8 and offs[0.8][1] > 100, "it has changed"
matrix, valid = cv2.getOptimalNewCameraMatrix(K, D, (1280, 720), 1)
print("alpha = 1: fx, fy =", matrix[0, 0], matrix[1, 1], "valid pixels", valid)
assert abs(matrix[0, 0] - 700) < 1 and abs(matrix[1, 1] - 386) < 1 and valid[2] == 1279, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

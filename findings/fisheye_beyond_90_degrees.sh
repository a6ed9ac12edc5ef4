#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The ray of a pixel that a fisheye lens sees at 95 degrees from its axis. Lenses such as those of TUM-VI (195 degrees)
# see that far. The lens is the equidistant one (Kannala-Brandt) with all coefficients zero, f = 190 px: the pixel is
# 190 * 1.658 px right of the centre. Each library calls the model the same as OpenCV's fisheye.
#
# Expected: an unprojection gives x/z = -11.4 with a sign that says z < 0, or NaN, or an error; all libraries agree.
# Seen, four answers of four libraries:
#   OpenCV 4.13.0 and 5.0.0   x/z = 1.7e16, a ray at 90 degrees; the distorted angle is cut at pi/2
#   PoseLib 2.0.5             x/z = -11.43, which as (x/z, y/z, 1) points to the opposite side of the image, at 85 degrees
#   COLMAP (pycolmap) 4.2.1   x/z = 1.658, a ray at 58.9 degrees: the distorted value itself
#   GTSAM 4.3.0               RuntimeError
# The way back is no check: OpenCV projects a ray at 95 degrees onto the opposite side, where that at 85 degrees of that
# side lies; pycolmap gives NaN. The cut of OpenCV is at pi/2 of the *distorted* angle, so that with k = (0.3, 0.1,
# 0.05, 0) rays at 64 degrees from the axis already come back 0.8 degrees too near to it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import gtsam
import numpy as np
import poselib
import pycolmap

F, C = 190.0, 255.5
angle = np.radians(95)
pixel = np.array([[C + F * angle, C]])
K, none = np.array([[F, 0, C], [0, F, C], [0, 0, 1]]), np.zeros(4)
parameters = [F, F, C, C, 0, 0, 0, 0]
seen = {
    "true x/z": np.tan(angle),
    "OpenCV": cv2.fisheye.undistortPoints(pixel[None], K, none)[0, 0, 0],
    "PoseLib": poselib.Camera("OPENCV_FISHEYE", parameters, 512, 512).unproject(pixel)[0, 0],
    "COLMAP": pycolmap.Camera(model="OPENCV_FISHEYE", width=512, height=512, params=parameters).cam_from_img(pixel)[0, 0],
}
try:
    seen["GTSAM"] = gtsam.Cal3Fisheye(F, F, 0.0, C, C, 0.0, 0.0, 0.0, 0.0).calibrate(pixel[0])[0]
except RuntimeError as error:
    seen["GTSAM"] = f"RuntimeError: {error}"
print(cv2.__version__, seen)
assert seen["OpenCV"] > 1e15 and abs(seen["COLMAP"] - angle) < 1e-9, "the behaviour has changed"
assert abs(seen["PoseLib"] - np.tan(angle)) < 1e-6 and str(seen["GTSAM"]).startswith("RuntimeError"), "it has changed"


def projected(degrees: float) -> float:
    ray = np.array([[[np.sin(np.radians(degrees)), 0.0, np.cos(np.radians(degrees))]]])
    return float(cv2.fisheye.projectPoints(ray, np.zeros(3), np.zeros(3), K, none)[0][0, 0, 0])


print("OpenCV projects 95 and -85 degrees to u =", projected(95), projected(-85))
assert abs(projected(95) - projected(-85)) < 1e-6, "the behaviour has changed"

strong = np.array([0.3, 0.1, 0.05, 0.0])
ray = np.array([[[np.sin(np.radians(64)), 0.0, np.cos(np.radians(64))]]])
there = cv2.fisheye.projectPoints(ray, np.zeros(3), np.zeros(3), K, strong)[0]
back = np.degrees(np.arctan(cv2.fisheye.undistortPoints(there, K, strong)[0, 0, 0]))
print("64 degrees come back as", back)
assert 63.1 < back < 63.3, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" \
        poselib==2.0.5 pycolmap==4.2.1 gtsam==4.3.0 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

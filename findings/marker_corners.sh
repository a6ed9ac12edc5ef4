#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# An AprilTag (36h11) of 200 px is drawn at 20 places, at fractions of a pixel, blurred by 0.8 px with noise of 2 grey
# values. cv2.aruco finds its corners with each of its refinements, and so does the detector of AprilTag.
#
# Expected: the corners lie around the true ones, to 0.1 px; the centre of a pixel has whole coordinates in OpenCV. The
# two libraries agree which corner is which.
# Seen in OpenCV 4.13.0 and 5.0.0 and pupil-apriltags 1.0.4.post11:
#   CORNER_REFINE_NONE       the tag is 0.6 px too small
#   CORNER_REFINE_SUBPIX     0.3 px too small, its place right
#   CORNER_REFINE_CONTOUR    1.1 px too small, so that a tag of 20 px would seem 5 % further away
#   CORNER_REFINE_APRILTAG   the right size, but shifted by half a pixel in x and y, as with AprilTag's own detector,
#                            where the centre of the first pixel is (0.5, 0.5)
# The four refinements of one function thus use two conventions. What OpenCV draws as the top of a tag is the bottom for
# AprilTag: of a tag that is drawn by OpenCV, the AprilTag detector gives a pose turned by 180 degrees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np
from pupil_apriltags import Detector

rng = np.random.default_rng(0)
FINE, SIDE = 8, 1600  # pixels of the drawing in a pixel of the image, and in the side of the tag
dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
tag, detector = cv2.aruco.generateImageMarker(dictionary, 0, SIDE), Detector(families="tag36h11", quad_decimate=1.0)
errors = {name: [] for name in ("NONE", "SUBPIX", "CONTOUR", "APRILTAG", "detector of AprilTag")}
for _ in range(20):
    x, y = rng.integers(800, 900, 2)
    drawing = np.full((400 * FINE, 400 * FINE), 255, np.uint8)
    drawing[y : y + SIDE, x : x + SIDE] = tag
    image = cv2.GaussianBlur(cv2.resize(drawing, (400, 400), interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    image = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    true = (np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]]) + [x, y]) / FINE - 0.5  # from the top left corner
    for name in ("NONE", "SUBPIX", "CONTOUR", "APRILTAG"):
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = getattr(cv2.aruco, f"CORNER_REFINE_{name}")
        corners = cv2.aruco.ArucoDetector(dictionary, parameters).detectMarkers(image)[0][0][0]
        errors[name].append(corners - true)
    corners = detector.detect(image)[0].corners  # from the bottom left one, counterclockwise, as AprilTag names them
    first = int(np.argmin(np.linalg.norm(true - corners[0], axis=1)))
    assert first == 1, "the behaviour has changed"  # the top right one in the image: the tag is upside down
    errors["detector of AprilTag"].append(corners[[1, 0, 3, 2]] - true)
shift, size = {}, {}
for name, values in errors.items():
    mean = np.mean(values, axis=0)
    shift[name] = mean.mean(axis=0).round(2).tolist()
    size[name] = round(float(mean[1, 0] - mean[0, 0] + mean[2, 0] - mean[3, 0]) / 2, 2)
print(cv2.__version__, "mean shift in px:", shift)
print(cv2.__version__, "mean error of the size in px:", size)
for name in ("NONE", "SUBPIX", "CONTOUR"):
    assert max(map(abs, shift[name])) < 0.1, "the behaviour has changed"
for name in ("APRILTAG", "detector of AprilTag"):
    assert 0.4 < min(shift[name]) and max(shift[name]) < 0.6, "the behaviour has changed"
assert size["CONTOUR"] < -0.9 and size["NONE"] < -0.4 and abs(size["APRILTAG"]) < 0.1, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-contrib-python-headless==$version" \
        pupil-apriltags==1.0.4.post11 numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

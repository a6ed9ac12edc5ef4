#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The points of a depth image of 640x480 pixels from depthTo3d of OpenCV 4 (in cv2.rgbd) and 5 (in cv2), and the same
# points in the world, 10 m east of it by a 4x4 matrix.
#
# Expected: x, y and z for each pixel in both; or, where there is a fourth number, the 1 of homogeneous coordinates.
# Seen: three numbers in 4.13.0, and [x, y, z, 0] in 5.0.0. The docstring of 5 says so.
#   a 4x4 pose            turns the points of 5 and leaves out the translation, since a fourth 0 marks a direction.
#                         cv2.transform(points, pose) raises nothing, and every point stays 10 m from its place
#   points.reshape(-1, 3) runs on those of 5 as on those of 4. It makes 409,600 rows of 307,200 points, of which one in
#                         four is a point of the cloud
# cv2.transform(points[..., :3], pose[:3]) is right with both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np

HEIGHT, WIDTH, F = 480, 640, 500.0
camera = np.array([[F, 0, WIDTH / 2], [0, F, HEIGHT / 2], [0, 0, 1]])
rows, columns = np.mgrid[:HEIGHT, :WIDTH]
depth = np.random.default_rng(0).integers(500, 5000, (HEIGHT, WIDTH)).astype(np.uint16)  # in mm
z = depth / 1000
true = np.dstack([(columns - WIDTH / 2) / F * z, (rows - HEIGHT / 2) / F * z, z])
pose = np.eye(4)
pose[0, 3] = 10.0  # m

is_new = not cv2.__version__.startswith("4")
points = (cv2.depthTo3d if is_new else cv2.rgbd.depthTo3d)(depth, camera)
print("OpenCV", cv2.__version__, "shape", points.shape, "first point", points[0, 0])
assert np.abs(points[..., :3] - true).max() < 1e-5, "the behaviour has changed"
assert points.shape == (HEIGHT, WIDTH, 4 if is_new else 3), "the behaviour has changed"

world = cv2.transform(points[..., :3], pose[:3])
print("  x, y, z by three rows of the pose: at most", np.abs(world - true - pose[:3, 3]).max(), "m off")
assert np.abs(world - true - pose[:3, 3]).max() < 1e-5, "the behaviour has changed"
flat = points.reshape(-1, 3)
print("  reshape(-1, 3):", len(flat), "rows of", depth.size, "points")
assert len(flat) == (409_600 if is_new else depth.size), "the behaviour has changed"
if is_new:
    assert (points[..., 3] == 0).all(), "the behaviour has changed"
    assert (flat[::4] == points[..., :3].reshape(-1, 3)[::3]).all(), "the behaviour has changed"
    assert ((flat[1::4, 0] == 0) & (flat[2::4, 1] == 0) & (flat[3::4, 2] == 0)).all(), "the behaviour has changed"
    off = np.linalg.norm(cv2.transform(points, pose)[..., :3] - true - pose[:3, 3], axis=2)
    print("  by the 4x4 pose:", off.min(), "to", off.max(), "m off")
    assert np.abs(off - 10).max() < 1e-4, "the behaviour has changed"
PYTHON
for package in opencv-contrib-python-headless==4.13.0.92 opencv-python-headless==5.0.0.93; do
    python3 -m venv "$folder/$package"
    "$folder/$package/bin/pip" install --quiet "$package" numpy==2.4.6 2>/dev/null
    "$folder/$package/bin/python" "$folder/run.py"
done

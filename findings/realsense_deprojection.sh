#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Pixels of a 640 x 480 image, f = 380 px, become points at 2 m by rs2_deproject_pixel_to_point, and pixels again by
# rs2_project_point_to_pixel, for each distortion model of librealsense.
#
# Expected: the same pixels, or an error for a model that one of the functions cannot treat.
# Seen in pyrealsense2 2.59.1.11053: with modified_brown_conrady the pixels are up to 4.9 px off, with ftheta up to 48
# px. Neither raises. The other models are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata

import numpy as np
import pyrealsense2 as rs

pixels = np.random.default_rng(0).uniform(0, [640, 480], (500, 2))
off = {}
for name, coefficients in (
    ("brown_conrady", [-0.055, 0.066, 0.0007, 0.0003, -0.021]),
    ("inverse_brown_conrady", [-0.055, 0.066, 0.0007, 0.0003, -0.021]),
    ("kannala_brandt4", [-0.01, 0.04, -0.04, 0.007, 0]),
    ("modified_brown_conrady", [-0.055, 0.066, 0.0007, 0.0003, -0.021]),
    ("ftheta", [0.9, 0, 0, 0, 0]),
):
    camera = rs.intrinsics()
    camera.width, camera.height, camera.fx, camera.fy, camera.ppx, camera.ppy = 640, 480, 380, 380, 320, 240
    camera.model, camera.coeffs = getattr(rs.distortion, name), coefficients
    points = [rs.rs2_deproject_pixel_to_point(camera, pixel.tolist(), 2.0) for pixel in pixels]
    back = np.array([rs.rs2_project_point_to_pixel(camera, point) for point in points])
    off[name] = round(float(np.linalg.norm(back - pixels, axis=1).max()), 3)
print(importlib.metadata.version("pyrealsense2"), "largest error in px:", off)
assert max(off["brown_conrady"], off["inverse_brown_conrady"], off["kannala_brandt4"]) < 0.01, "it has changed"
assert off["modified_brown_conrady"] > 3 and off["ftheta"] > 40, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyrealsense2==2.59.1.11053 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

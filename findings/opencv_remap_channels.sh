#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# cv2.remap with INTER_LINEAR on float32 images and float32 maps.
#
# Expected: bilinear interpolation at the coordinates of the map, for any number of channels, since the maps are floats.
# Seen: OpenCV 4.13.0 rounds coordinates to 1/32 px for every number of channels. OpenCV 5.0.0 does not round them for
# 1, 3 and 4 channels, and still rounds them to 1/32 px for 2, 5 and 8. An image of two signals is therefore sampled up to
# 1/64 px off where the same signals with an unused third channel are sampled exactly. Code that compares pixels finely,
# such as an alignment by mutual information, changes its result when a channel is added.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/remap.py" <<'PYTHON'
import cv2
import numpy as np

width, height = 50, 40
u = np.linspace(5.0, 30.0, 997, dtype=np.float32)[None]
v = np.full_like(u, 7.0)
errors = {}
for channels in (1, 2, 3, 4, 5, 8):
    ramp = np.tile(np.arange(width, dtype=np.float32)[None, :, None], (height, 1, channels))
    sampled = cv2.remap(ramp, u, v, cv2.INTER_LINEAR).reshape(u.size, channels)
    errors[channels] = float(np.abs(sampled - u.reshape(-1, 1)).max())
print(cv2.__version__, {channels: round(error, 4) for channels, error in errors.items()})
rounded = {channels for channels, error in errors.items() if 0.015 < error < 0.016}
exact = {channels for channels, error in errors.items() if error < 1e-5}
want = {"4": ({1, 2, 3, 4, 5, 8}, set()), "5": ({2, 5, 8}, {1, 3, 4})}[cv2.__version__.split(".")[0]]
assert (rounded, exact) == want, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" 2>/dev/null
    "$folder/$version/bin/python" "$folder/remap.py"
done

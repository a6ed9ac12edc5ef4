#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A depth image (16UC1, mm) or a camera image of 16 bits (mono16) that image_transport's plugin `compressed` published
# as PNG, which keeps 16 bits: format "16UC1; png compressed ". rosbags-image decodes the message.
#
# Expected: 2000 mm are 2000 mm in uint16, as in the plugin's own subscriber, which decodes the file unchanged; or an
# error.
# Seen in rosbags-image 0.10.4: uint8 with the upper byte, so that 2000 mm are 7, and everything between 1792 and 2047 mm
# is 7 as well. Nothing is said; a depth in mm is then a scene of 0 to 25 cm. The same image as an uncompressed message
# is 2000 in uint16. The decoder is called with IMREAD_ANYCOLOR, without IMREAD_ANYDEPTH.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import cv2
import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_HUMBLE).types
stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=0)
header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
depth = np.full((6, 8), 2000, np.uint16)
depth[0] = [1792, 2047] * 4
png = cv2.imencode(".png", depth)[1].ravel()
assert np.array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), depth)
print("rosbags-image", version("rosbags-image"), "OpenCV", cv2.__version__)
for encoding in ("16UC1", "mono16"):
    raw = types["sensor_msgs/msg/Image"](header, 6, 8, encoding, 0, 16, depth.view(np.uint8).ravel())
    compressed = types["sensor_msgs/msg/CompressedImage"](header, f"{encoding}; png compressed ", png)
    image, decoded = message_to_cvimage(raw), message_to_cvimage(compressed)
    print(f"  {encoding}: raw {image.dtype} {image[3, 3]}, compressed {decoded.dtype} {np.unique(decoded)}")
    assert np.array_equal(image, depth)
    assert decoded.dtype == np.uint8 and np.all(decoded == 7), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 rosbags-image==0.10.4 opencv-python-headless==4.13.0.92 \
    numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

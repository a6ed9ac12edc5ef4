#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A sensor_msgs/Image whose rows are padded: `step` is more than the width of a row in bytes, as drivers fill rows that
# the camera aligns, and as regions of larger images have it.
#
# Expected: message_to_cvimage leaves the padding out, as cv_bridge does.
# Seen in rosbags-image 0.10.4: the padding is taken for pixels, and the image is sheared: of 3 rows of 4 pixels with 4
# pixels of padding the second comes out as padding, and the third as the second. No error; the end is cut off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata

import numpy as np
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

types = get_typestore(Stores.ROS2_JAZZY).types
header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 0), "camera")
pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) + 1
padded = np.zeros((3, 8), np.uint8)
padded[:, :4] = pixels
images = {
    name: message_to_cvimage(types["sensor_msgs/msg/Image"](header, 3, 4, "mono8", 0, rows.shape[1], rows.ravel()))
    for name, rows in (("plain", pixels), ("padded", padded))
}
print(importlib.metadata.version("rosbags-image"), {name: image.tolist() for name, image in images.items()})
assert (images["plain"] == pixels).all(), "the behaviour has changed"
assert images["padded"].tolist() == [[1, 2, 3, 4], [0, 0, 0, 0], [5, 6, 7, 8]], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags-image==0.10.4 rosbags==0.11.9 numpy==2.4.6 \
    opencv-python-headless==4.13.0.92 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A .png file with three channels of 16 bits: the optical flow of KITTI 2015, which is 64 * u + 32768, 64 * v + 32768 and
# a flag, or the image of a camera of 12 bits. Each library reads it with its usual call.
#
# Expected: uint16, as each of them gives for one channel of 16 bits, such as KITTI's depth; or an error.
# Seen in Pillow 11.3.0 and 13.0.0, imageio 2.38.1, scikit-image 0.26.0 and matplotlib 3.11.2: the upper byte alone. A
# flow of 1.5 px is read as 0, and so is any other from 0 up to 4 px; the flag, which is 1, is 0, that is, no pixel has a
# flow. Nothing is said. OpenCV with IMREAD_UNCHANGED gives all 16 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sys
import warnings

import cv2
import imageio.v3
import matplotlib
import matplotlib.image
import numpy as np
import PIL
import skimage.io
from PIL import Image

warnings.simplefilter("error")
flow = np.full((4, 6, 3), [64 * 1.5 + 32768, -64 * 8 + 32768, 1], np.uint16)
depth = np.full((4, 6), 12345, np.uint16)
colours, single = f"{sys.argv[1]}/flow.png", f"{sys.argv[1]}/depth.png"
cv2.imwrite(colours, flow[..., ::-1])
cv2.imwrite(single, depth)
print("Pillow", PIL.__version__)
readers = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    f"imageio {imageio.__version__}": imageio.v3.imread,
    f"scikit-image {skimage.__version__}": skimage.io.imread,
    f"matplotlib {matplotlib.__version__}": lambda path: matplotlib.image.imread(path) * 65535,
}
for name, read in readers.items():
    assert np.allclose(read(single), depth)
    found = read(colours)
    if found.dtype != np.uint8:  # matplotlib gives 0 to 1
        found = np.round(found / 65535 * 255).astype(np.uint8)
    print(f"  {name}: {found[0, 0]} of {flow[0, 0]}")
    assert np.array_equal(found, flow >> 8), "the behaviour has changed"
assert np.array_equal(cv2.imread(colours, cv2.IMREAD_UNCHANGED)[..., ::-1], flow)
PYTHON
for version in 11.3.0 13.0.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "pillow==$version" imageio==2.38.1 scikit-image==0.26.0 \
        matplotlib==3.11.2 opencv-python-headless==4.13.0.92 numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py" "$folder"
done

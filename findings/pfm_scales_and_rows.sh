#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Disparities of 5.25 to 115.25 px in a .pfm file, as stereo benchmarks give them: float32, lower row first, and a third
# line whose sign is the order of the bytes. Its magnitude is called a scale. It is 1 in most files, 1/255 in others.
#
# Expected: the numbers of the file with the upper row first, whatever the scale, as from Pillow 13.0.0; or, if a reader
# scales, the same from all that scale.
# Seen:
#   OpenCV 4.13.0, 5.0.0    divides by the scale: with -0.003922 a disparity of 5.25 px is 1338.6 px, with -2.0 it is
#                           2.625 px. Nothing in the array tells
#   netpbmfile 2026.1.29    gives the lower row first, so that the map is upside down. It does not scale
#   imageio 2.38.1          gives float32 as Pillow does, or, once OpenCV is installed beside it, uint8: 5, 15, 25, and
#                           255 for all of more. The call is the same
# There is no warning. The array has the expected shape in each case.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.util
import tempfile
from importlib.metadata import version
from pathlib import Path

import imageio.v3
import netpbmfile
import numpy as np
from PIL import Image

path = Path(tempfile.mkdtemp()) / "disparity.pfm"
disparity = np.arange(12, dtype="<f4").reshape(3, 4) * 10 + 5.25
print("Pillow", version("pillow"), "netpbmfile", version("netpbmfile"), "imageio", version("imageio"))
has_opencv = importlib.util.find_spec("cv2") is not None
for scale in ("-1.0", "-0.003922", "-2.0"):
    path.write_bytes(f"Pf\n4 3\n{scale}\n".encode() + disparity[::-1].tobytes())
    divided = disparity / abs(float(scale))
    found = {
        "Pillow": (np.array(Image.open(path)), disparity),
        "netpbmfile": (netpbmfile.imread(path), disparity[::-1]),
        "imageio": (imageio.v3.imread(path), np.clip(divided, 0, 255).astype(np.uint8) if has_opencv else disparity),
    }
    if has_opencv:
        import cv2

        found["OpenCV " + cv2.__version__] = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED), divided)
    for name, (array, expected) in found.items():
        print(f"  scale {scale}: {name} gives {array.dtype}, first row {array[0]}")
        # uint8 values are rounded by some builds, and cut by others
        near = np.allclose(array, expected, rtol=1e-5, atol=1 if array.dtype == np.uint8 else 0)
        assert near and array.dtype == expected.dtype, "the behaviour has changed"
PYTHON
for opencv in "" opencv-python-headless==4.13.0.92 opencv-python-headless==5.0.0.93; do
    python3 -m venv "$folder/venv$opencv"
    "$folder/venv$opencv/bin/pip" install --quiet $opencv netpbmfile==2026.1.29 imageio==2.38.1 pillow==13.0.0 \
        numpy==2.4.6 2>/dev/null
    "$folder/venv$opencv/bin/python" "$folder/run.py"
done

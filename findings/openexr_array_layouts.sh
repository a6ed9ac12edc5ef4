#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Depth images and maps of points, written with OpenEXR's own Python module (OpenEXR.File) from NumPy views: a
# transposed array, one component of an (H, W, 3) array, a region of a larger image.
#
# Expected: the values of the view, as from cv2.imwrite and tifffile, or an error. OpenEXR does raise for float64.
# Seen in OpenEXR 3.5.3: File(...).write takes the bytes from the first value on as if the array were contiguous. The
# file has the right shape and type, valid values and no warning, but most pixels are those of other places. Only
# np.ascontiguousarray (or a copy) keeps them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import os
import tempfile

import numpy as np
import OpenEXR

rng = np.random.default_rng(0)
points = rng.uniform(1, 100, (80, 60, 3)).astype(np.float32)  # x, y and z for each pixel
depth = points[..., 2].copy()
views = {
    "contiguous": depth,
    "transposed": depth.T,
    "one component of three": points[..., 1],
    "a region": depth[5:25, 7:37],
}
path = os.path.join(tempfile.mkdtemp(), "depth.exr")
shares = {}
for name, view in views.items():
    for image in (view, np.ascontiguousarray(view)):
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, {"Z": image}) as file:
            file.write(path)
        with OpenEXR.File(path) as file:
            read = file.channels()["Z"].pixels
        assert read.shape == view.shape and read.dtype == view.dtype
        wrong = float((read != view).mean())
        if image is view:
            shares[name] = round(wrong, 3)
        else:
            assert wrong == 0
print("OpenEXR", OpenEXR.__version__, "share of wrong pixels:", shares)
assert shares.pop("contiguous") == 0 and min(shares.values()) > 0.9, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet OpenEXR==3.5.3 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

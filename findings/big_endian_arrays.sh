#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# numpy arrays in big-endian order, as readers give them for messages with is_bigendian and for PLY and FITS files, are
# handed to libraries of images and networks. numpy computes with them as with any others.
#
# Expected: the values are taken as numpy has them, as PoseLib and polars do, or refused, as PyTorch and pyarrow do.
# Seen in OpenCV 4.13.0 and 5.0.0, ONNX Runtime 1.31.1 and rerun-sdk 0.41.0: the bytes are taken as if they were in the
# machine's order, without a word. A depth of 1000 mm becomes 59395 in cv2.imencode, cv2.projectPoints gives NaN, and
# networks and viewers get values such as 4.6e-41.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import cv2
import numpy as np
import onnxruntime
import polars
import rerun

values = np.array([[1.0, 2.0, 3.0]], ">f4")
depth = np.array([[1000, 2000]], ">u2")
K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
point, zero = np.array([[1, 1, 5]], ">f8"), np.zeros(3)
taken = {
    "polars": polars.Series(values[0]).to_list(),
    "cv2.resize": cv2.resize(values, (3, 1), interpolation=cv2.INTER_NEAREST)[0].tolist(),
    "ONNX Runtime": onnxruntime.OrtValue.ortvalue_from_numpy(values).numpy()[0].tolist(),
    "rerun": np.array(rerun.DepthImage(values).buffer.as_arrow_array().to_pylist()[0], np.uint8).view("<f4").tolist(),
}
png = cv2.imdecode(cv2.imencode(".png", depth)[1], cv2.IMREAD_UNCHANGED)
pixel = cv2.projectPoints(point, zero, zero, K, None)[0].ravel()
print({name: version(name) for name in ("onnxruntime", "rerun-sdk")}, cv2.__version__)
print(taken, "png:", png.tolist(), "projected:", pixel)
assert taken.pop("polars") == [1, 2, 3], "the behaviour has changed"
assert all(0 < max(numbers) < 1e-40 for numbers in taken.values()), "the behaviour has changed"
assert png.tolist() == [[59395, 53255]] and np.isnan(pixel).all(), "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" \
        onnxruntime==1.31.1 rerun-sdk==0.41.0 polars==2.1.0 numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

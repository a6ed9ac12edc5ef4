#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Projection matrices P of 100 cameras, estimated from exact points by the direct linear transform, and given to
# cv2.decomposeProjectionMatrix. P has no sign: P and -P project every point to the same pixel, and a singular value
# decomposition gives either.
#
# Expected: the camera and its rotation for both, up to the scale of K.
# Seen in OpenCV 4.13.0 and 5.0.0: for -P, K[2, 2] is negative, and the rotation is another one, 180 degrees off about
# the optical axis. K / K[2, 2] then has negative focal lengths and the right principal point. The matrix that is
# returned as the rotation has determinant 1 and is that of a camera upside down. Which of the two comes depends on the
# sign of P alone; the centre is right for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import cv2
import numpy as np
from scipy.spatial.transform import Rotation

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
rng, counts = np.random.default_rng(0), {"right": 0, "turned": 0}
for world in Rotation.random(100, random_state=0):  # camera from world
    shift = rng.normal(0, 3, 3)
    in_camera = rng.uniform([-2, -2, 4], [2, 2, 9], (12, 3))
    points, pixels = world.inv().apply(in_camera - shift), in_camera @ K.T
    rows = []
    for (u, v), X in zip(pixels[:, :2] / pixels[:, 2:], np.c_[points, np.ones(12)], strict=True):
        rows += [[*X, 0, 0, 0, 0, *(-u * X)], [0, 0, 0, 0, *X, *(-v * X)]]
    P = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 4)
    front = np.sign((P @ [*points[0], 1])[2])  # 1 if P gives points before the camera a positive depth
    found_K, found_R, centre = cv2.decomposeProjectionMatrix(P)[:3]
    scaled, off = found_K / found_K[2, 2], Rotation.from_matrix(found_R) * world.inv()
    assert np.allclose((centre[:3] / centre[3]).ravel(), world.inv().apply(-shift)) and np.linalg.det(found_R) > 0.99
    if front > 0:
        assert np.allclose(scaled, K, atol=1e-3) and off.magnitude() < 1e-5, "the behaviour has changed"
    else:
        assert np.allclose(scaled, [[-500, 0, 320], [0, -510, 240], [0, 0, 1]], atol=1e-3), "the behaviour has changed"
        assert np.allclose(off.as_matrix(), np.diag([-1, -1, 1]), atol=1e-5), "the behaviour has changed"
    counts["right" if front > 0 else "turned"] += 1
print("OpenCV", cv2.__version__, "of 100 cameras:", counts, "the last:", scaled.round(3).tolist())
assert min(counts.values()) > 20, "the behaviour has changed"
PYTHON
for version in 4.13.0.92 5.0.0.93; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "opencv-python-headless==$version" scipy==1.17.1 numpy==2.4.6 2>/dev/null
    "$folder/$version/bin/python" "$folder/run.py"
done

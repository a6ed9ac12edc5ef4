#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Normals of a slope of 10 m with 2 mm of noise: 40,000 points, the neighbours within 20 cm and at most 30 of them. The
# same points near the origin, in UTM coordinates and in ECEF coordinates, in float64.
#
# Expected: the same normals in all three, to 0.01 degrees. Clouds of open3d.geometry are float64, whose digits are
# 1e-9 m in UTM coordinates.
# Seen in Open3D 0.19.0: near the origin all normals are within 2 degrees of the slope's. In UTM coordinates 36 % are
# more than 10 degrees off, many of them 90 degrees; in ECEF coordinates 91 % are. Half of the matrices that
# estimate_covariances gives in UTM coordinates have a negative eigenvalue. No warning is printed. 0.20.0 is the same.
# The tensor clouds of the same package, open3d.t.geometry, with the same points in float64, are right in all three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import numpy as np
import open3d as o3d

print("Open3D", o3d.__version__)
random = np.random.default_rng(0)
ground = random.uniform(-5, 5, (40_000, 2))
points = np.c_[ground, 0.2 * ground[:, 0] + random.normal(0, 0.002, len(ground))]
normal = np.array([-0.2, 0, 1]) / np.hypot(0.2, 1)


def far(normals: np.ndarray) -> float:
    angles = np.degrees(np.arccos(np.clip(np.abs(normals @ normal), 0, 1)))
    return float((angles > 10).mean())


PLACES = {  # the origin, and the least part of normals and of covariances that are wrong there
    "near the origin": ([0, 0, 0], 0, 0),
    "UTM": ([456_789, 5_428_123, 100], 0.25, 0.4),
    "ECEF": ([4_146_000, 613_000, 4_791_000], 0.8, 0.6),
}
for place, (origin, of_normals, of_covariances) in PLACES.items():
    moved = points + np.array(origin, float)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(moved))
    search = o3d.geometry.KDTreeSearchParamHybrid(0.2, 30)
    cloud.estimate_normals(search)
    cloud.estimate_covariances(search)
    wrong = far(np.asarray(cloud.normals))
    negative = float((np.linalg.eigvalsh(np.asarray(cloud.covariances))[:, 0] < -1e-9).mean())
    tensors = o3d.t.geometry.PointCloud(o3d.core.Tensor(moved))
    tensors.estimate_normals(30, 0.2)
    right = far(tensors.point.normals.numpy())
    print(f"  {place}: {wrong:.1%} of the normals are more than 10 degrees off, of t.geometry's {right:.1%};", end=" ")
    print(f"{negative:.1%} of the covariances have a negative eigenvalue")
    assert right == 0 and wrong >= of_normals and negative >= of_covariances, "the behaviour has changed"
    assert of_normals or (wrong == 0 and negative == 0), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet open3d==0.19.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

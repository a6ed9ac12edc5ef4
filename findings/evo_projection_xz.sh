#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A camera trajectory as of KITTI (x right, y down, z forward), whose headings are turns about y alone, is projected to
# the plane in which it moves: evo's project(Plane.XZ), or --project_to_plane xz of its tools.
#
# Expected: the poses are in that plane already, so that they stay as they are; as in the planes XY and YZ.
# Seen in evo 1.38.1: headings of more than 90 degrees are mirrored: 100 becomes 80, 170 becomes 10, and -120 becomes
# -60. Positions are right. The heading is taken as the second of three Euler angles, which lies in -90 to 90 degrees.
# A turn from 80 to 100 degrees becomes none, and an error of 4 degrees between 89 and 93 degrees becomes one of 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
from evo.core.trajectory import Plane, PosePath3D
from scipy.spatial.transform import Rotation

HEADINGS = np.array([30, 80, 100, 170, -120])


def projected(plane: Plane, axis: int) -> list[int]:
    poses = []
    for heading in HEADINGS:
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_rotvec(heading * np.eye(3)[axis], degrees=True).as_matrix()
        poses.append(pose)
    path = PosePath3D(poses_se3=poses)
    path.project(plane)
    turns = Rotation.from_matrix([pose[:3, :3] for pose in path.poses_se3]).as_rotvec(degrees=True)
    assert np.allclose(np.delete(turns, axis, axis=1), 0)
    return np.round(turns[:, axis]).astype(int).tolist()


found = {plane.name: projected(plane, axis) for axis, plane in enumerate((Plane.YZ, Plane.XZ, Plane.XY))}
print("evo", version("evo"), HEADINGS.tolist(), found)
assert found["XY"] == HEADINGS.tolist() and found["YZ"] == HEADINGS.tolist(), "the behaviour has changed"
assert found["XZ"] == [30, 80, 80, 10, -60], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet evo==1.38.1 scipy==1.17.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" -W ignore "$folder/run.py"

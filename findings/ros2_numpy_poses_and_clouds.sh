#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# ros2_numpy, as pip installs it: numpify of a Transform and of a Pose, 90 degrees about z; msgify of such a matrix; and
# numpify and msgify of PointCloud2, with x, y, z and an intensity in float32, as drivers of LiDARs publish it.
#
# Expected: the matrix of the rotation and back, and the intensities of the message. "The intensity field is a float32
# value", and a dict with xyz is enough for msgify.
# Seen in ros2_numpy 0.0.5:
#   numpify(Transform), numpify(Pose)   take x, y, z, w for w, x, y, z: 90 degrees about z are 180 about (0, 1, 1), and
#                                       the identity is 180 degrees about z. Translations are right
#   msgify(Pose, matrix)                puts w, x, y, z into x, y, z, w: 90 degrees about z are 90 about x.
#                                       msgify(Transform, matrix) is right
#   numpify(PointCloud2)                gives bytes 3 and 4 of each point as a uint16 for the intensity, which are of x
#                                       and y: it takes the index of the field for its offset
#   msgify(PointCloud2, {"xyz": ...})   has a point_step and a row_step of 0. With rgb all xyz come before all rgb
# No error is raised.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import ros2_numpy
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from sensor_msgs.msg import PointCloud2, PointField

print("ros2_numpy", version("ros2_numpy"))
HALF = float(np.sqrt(0.5))
QUARTER_TURN = Quaternion(x=0.0, y=0.0, z=HALF, w=HALF)  # about z
MATRIX = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
OTHER = np.array([[-1.0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 0, 3], [0, 0, 0, 1]])  # 180 degrees about (0, 1, 1)
for message in (
    Transform(translation=Vector3(x=1.0, y=2.0, z=3.0), rotation=QUARTER_TURN),
    Pose(position=Point(x=1.0, y=2.0, z=3.0), orientation=QUARTER_TURN),
):
    found = ros2_numpy.numpify(message)
    print(f"  numpify({type(message).__name__}):", found.round(6).tolist())
    assert np.allclose(found, OTHER), "the behaviour has changed"
assert np.allclose(ros2_numpy.numpify(Pose()), np.diag([-1.0, -1, 1, 1])), "the behaviour has changed"
for kind, field, expected in ((Transform, "rotation", (0, 0, HALF, HALF)), (Pose, "orientation", (HALF, 0, 0, HALF))):
    found = getattr(ros2_numpy.msgify(kind, MATRIX), field)
    print(f"  msgify({kind.__name__}):", found)
    assert np.allclose((found.x, found.y, found.z, found.w), expected), "the behaviour has changed"

points = np.array([[1, 2, 3, 10], [4, 5, 6, 200]], np.float32)
names = ("x", "y", "z", "intensity")
fields = [PointField(name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate(names)]
cloud = PointCloud2(height=1, width=2, fields=fields, point_step=16, row_step=32, data=points.tobytes(), is_dense=True)
found = ros2_numpy.numpify(cloud)
print("  numpify(PointCloud2):", {name: values.tolist() for name, values in found.items()})
assert np.array_equal(found["xyz"], points[:, :3])
octets = points.view(np.uint8)
assert np.array_equal(found["intensity"], octets[:, 3:5].copy().view(np.uint16)), "the behaviour has changed"

xyz = points[:, :3]
message = ros2_numpy.msgify(PointCloud2, {"xyz": xyz})
print("  msgify(PointCloud2): point_step", message.point_step, "row_step", message.row_step, "width", message.width)
assert message.point_step == message.row_step == 0 and len(message.data) == 24, "the behaviour has changed"
colours = np.array([0xFF8000, 0x0000FF], np.uint32) | 0x01000000
message = ros2_numpy.msgify(PointCloud2, {"xyz": xyz, "rgb": colours})
print("  msgify(PointCloud2), with rgb: point_step", message.point_step, "bytes", bytes(message.data).hex(" ", 4))
assert message.point_step == 16 and bytes(message.data)[:24] == xyz.tobytes(), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ros2-numpy==0.0.5 numpy==1.24.2 transformations==2026.1.18 \
    ros-jazzy-sensor-msgs==5.3.6 ros-jazzy-geometry-msgs==5.3.6 ros-nav-msgs==5.3.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

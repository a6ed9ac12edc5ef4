#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# laspy.convert brings points of format 1 (LAS 1.2) to format 6 (LAS 1.4), and back. Both hold the angle of the scan: in
# whole degrees as scan_angle_rank, and in units of 0.006 degrees as scan_angle. Points of an overlap have class 12 in
# format 1, and a bit of their own in format 6, where class 12 is reserved.
#
# Expected: 20 degrees become 3333 of 0.006 degrees, and class 12 becomes the bit; or an error.
# Seen in laspy 2.7.0: all angles are 0, there and back, since fields are matched by their names. Class 12 stays, and
# the bit is 0. Nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import laspy
import numpy as np

old = laspy.create(point_format=1, file_version="1.2")
old.x = old.y = old.z = np.arange(4.0)
old.scan_angle_rank = np.array([-20, 0, 10, 90], np.int8)
old.classification = np.array([2, 12, 6, 12], np.uint8)
old.gps_time = np.arange(4.0)
new = laspy.convert(old, point_format_id=6)
print("laspy", laspy.__version__, "degrees:", (np.array(new.scan_angle) * 0.006).tolist())
print("  classes:", np.array(new.classification).tolist(), "overlap:", np.array(new.overlap).tolist())
assert new.gps_time.tolist() == [0, 1, 2, 3] and not np.any(new.scan_angle), "the behaviour has changed"
assert np.array(new.classification).tolist() == [2, 12, 6, 12] and not np.any(new.overlap), "the behaviour has changed"
new.scan_angle = np.array([-3333, 0, 1667, 15000], np.int16)
back = laspy.convert(new, point_format_id=1)
print("  back:", np.array(back.scan_angle_rank).tolist())
assert not np.any(back.scan_angle_rank), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet laspy==2.7.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

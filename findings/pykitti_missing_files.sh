#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# pykitti reads a raw drive of which some scans are missing, as scans 177 to 180 of drive 2011_09_26_drive_0009 of KITTI
# are.
#
# Expected: image and scan of an index are of the same frame, or an error says that one is missing. frames=[4, 5] gives
# these.
# Seen in pykitti 0.3.1: files are listed by name and counted off. After the gap every image gets the scan of a later
# frame, and the last indices raise IndexError. With frames=[4, 5] it is the other way round: the list of scans, which
# is too short, is used whole, since an error of the selection is swallowed; index 0 is image 4 with scan 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

import numpy as np
import pykitti
from PIL import Image

root, date, frames, missing = Path(tempfile.mkdtemp()), "2011_09_26", 6, {2, 3}
drive = root / date / f"{date}_drive_0009_sync"
for name in ("image_00", "image_01", "image_02", "image_03", "velodyne_points", "oxts"):
    (drive / name / "data").mkdir(parents=True)
for frame in range(frames):
    for camera in range(4):
        Image.new("RGB" if camera > 1 else "L", (4, 4)).save(drive / f"image_0{camera}/data/{frame:010d}.png")
    Image.new("RGB", (4, 4), (frame, 0, 0)).save(drive / f"image_02/data/{frame:010d}.png")
    if frame not in missing:
        np.full((5, 4), frame, np.float32).tofile(drive / f"velodyne_points/data/{frame:010d}.bin")
    (drive / f"oxts/data/{frame:010d}.txt").write_text(" ".join(["49", "8.4", "116"] + ["0"] * 27))
times = [f"2011-09-26 13:02:25.{frame}00000000\n" for frame in range(frames)]
(drive / "oxts/timestamps.txt").write_text("".join(times))
still, matrix = "1 0 0 0 1 0 0 0 1", "1 0 0 0 0 1 0 0 0 0 1 0"
for name in ("calib_imu_to_velo.txt", "calib_velo_to_cam.txt"):
    (root / date / name).write_text(f"R: {still}\nT: 0 0 0\n")
rows = [f"P_rect_0{camera}: {matrix}\nR_rect_0{camera}: {still}\n" for camera in range(4)]
(root / date / "calib_cam_to_cam.txt").write_text("".join(rows))


def pair(data: pykitti.raw, index: int) -> tuple[int, object]:
    try:
        scan: object = int(data.get_velo(index)[0, 0])
    except IndexError:
        scan = "IndexError"
    return int(np.array(data.get_cam2(index))[0, 0, 0]), scan


whole = pykitti.raw(str(root), date, "0009")
pairs = [pair(whole, index) for index in range(len(whole))]
chosen = [pair(pykitti.raw(str(root), date, "0009", frames=[4, 5]), index) for index in range(2)]
print("frames of image and scan by index:", pairs, "with frames=[4, 5]:", chosen)
assert pairs == [(0, 0), (1, 1), (2, 4), (3, 5), (4, "IndexError"), (5, "IndexError")], "the behaviour has changed"
assert chosen == [(4, 0), (5, 1)], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pykitti==0.3.1 numpy==2.4.6 opencv-python-headless==4.13.0.92 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

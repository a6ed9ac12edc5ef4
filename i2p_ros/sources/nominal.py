# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of extrinsic calibrations, such as a nominal one, in the formats of `READERS`."""

from __future__ import annotations

from pathlib import Path

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.rig_files import NoTransformError, RigFile, read_rig

MAX_BYTES = 10_000_000  # of a calibration file


def read_nominal(file: Path, camera: str = "", lidar: str = "", named: bool = True) -> Pose:
    """T_camera_lidar of a file, between the frames `camera` and `lidar`.

    The file is a URDF, the YAML that a node's ~/save writes, Autoware's sensor kit YAML, calib.json of
    direct_visual_lidar_calibration, or a calibration of KITTI (raw, odometry, object). A file with several frames needs
    both names. A file with one transform need not name its frames; if it does, they must be these. With `named` false
    the names are those of a dataset: only KITTI's files know them.
    Raises InputError `calibration.*` that names the file and its fault.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file} is no calibration: it has more than {MAX_BYTES // 10**6} MB", "calibration.file")
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the calibration {file}: {one_line(error)}", "calibration.missing") from error
    try:
        rig = read_rig(file, text)
        return _between(rig, camera if named or rig.knows_datasets else "", lidar if named else "")
    except NoTransformError as error:
        raise InputError(f"{file}: {error}", "calibration.frames") from error
    except InputError as error:  # from geometry, whose messages do not name the file
        what = str(error) if str(file.parent) in str(error) else f"{file} is no calibration: {error}"
        raise InputError(what, "calibration.file") from error


def _between(rig: RigFile, camera: str, lidar: str) -> Pose:
    """The T_camera_lidar of a file. Raises NoTransformError where it has none between these frames."""
    if rig.of_camera is not None:
        return rig.of_camera(camera)
    if not (camera and lidar) and len(rig.frames) == 2:
        lidar, camera = rig.frames
    pose = rig.tree.lookup(camera, lidar) if camera != lidar else None
    if pose is None:
        asked = f"no way from {lidar!r} to {camera!r}" if camera and lidar else "name the frames of camera and lidar"
        has = f"it has the frames {', '.join(rig.frames)}" if rig.frames else "it has no fixed joint"
        raise NoTransformError(f"{asked}; {has}")
    return pose

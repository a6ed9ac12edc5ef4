# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a calibration: for ROS, for direct_visual_lidar_calibration, and the numbers as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from i2p_ros.calibration.result import CalibrationResult
from i2p_ros.core.camera import Camera
from i2p_ros.core.drifts import INTERVAL
from i2p_ros.core.geometry import Pose
from i2p_ros.evaluation.files import write_bytes, write_json
from i2p_ros.writers.calibration import calibration_texts

FILES = {"yaml": "calibration.yaml", "urdf": "calibration.urdf", "sh": "static_transform_publisher.sh"}
LEAST_COEFFICIENTS = {"plumb_bob": 5}  # that direct_visual_lidar_calibration reads without a check


def write_files(folder: Path, result: CalibrationResult) -> list[Path]:
    """Paths of the written files: result.json always, and the calibration in four formats where there is one.

    Raises InputError `output` if the folder cannot be written.
    """
    write_json(folder / "result.json", result.to_json())
    written = [folder / "result.json"]
    if result.pose is None:
        return written
    for ending, text in _texts(result).items():
        write_bytes(folder / FILES[ending], text.encode())
        written.append(folder / FILES[ending])
    if result.camera is not None:
        write_json(folder / "calib.json", calib_json(result.pose, result.camera, result.recording))
        written.append(folder / "calib.json")
    return written


def publisher_line(result: CalibrationResult) -> str:
    """The command of a static_transform_publisher, or an empty text where there is no calibration."""
    return "" if result.pose is None else _texts(result)["sh"].strip()


def calib_json(pose: Pose, camera: Camera, recording: str) -> dict[str, Any]:
    """The content of calib.json of direct_visual_lidar_calibration, for T_camera_lidar `pose`.

    As its calibrate.cpp writes it (package version 0.0.0, commit d3c2474 of 2025-04-02): T_lidar_camera is x, y, z, qx,
    qy, qz, qw, m; intrinsics are fx, fy, cx, cy, px. Names of lenses are those of ROS in both programs.
    """
    padding = LEAST_COEFFICIENTS.get(camera.model, len(camera.distortion)) - len(camera.distortion)
    T_lidar_camera = pose.inverse()
    numbers = [*T_lidar_camera.translation.tolist(), *T_lidar_camera.quaternion.tolist()]
    return {
        "camera": {
            "camera_model": camera.model,
            "distortion_coeffs": [*camera.distortion, *[0.0] * max(0, padding)],
            "intrinsics": [camera.fx, camera.fy, camera.cx, camera.cy],
        },
        "meta": {
            "bag_names": [], "camera_info_topic": "", "data_path": recording, "image_topic": "",
            "intensity_channel": "intensity", "points_topic": "",
        },
        "results": {"T_lidar_camera": numbers, "init_T_lidar_camera": numbers},
    }  # fmt: skip


def _texts(result: CalibrationResult) -> dict[str, str]:
    assert result.pose is not None
    assert result.half is not None
    camera, lidar = result.frames
    return calibration_texts(result.pose, result.half / INTERVAL, result.used, lidar, camera, "calibration")

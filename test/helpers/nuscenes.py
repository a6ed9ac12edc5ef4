# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny nuScenes v1.0 folder: one scene, two key frames, sweeps between them, two cameras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from i2p_ros.core.geometry import Pose

VERSION = "v1.0-mini"
K = [[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]]
T_VEHICLE = {  # of each sensor
    "CAM_FRONT": Pose.from_quaternion([0.5, -0.5, 0.5, -0.5], [1.7, 0.0, 1.5]),
    "CAM_BACK": Pose.from_quaternion([0.5, 0.5, -0.5, -0.5], [0.0, 0.0, 1.6]),
    "LIDAR_TOP": Pose.from_rotvec([0.0, 0.0, -1.57], [0.9, 0.0, 1.8]),
}
POST = np.array([20.0, 3.0, 1.0])  # m in the world, which all sweeps see
SWEEPS, SECOND_KEY = 21, 10  # of the scene, and the number of its second key frame; the first is 0
MICROSECONDS = 50_000  # from one sweep to the next


def vehicle(sweep: float) -> Pose:
    """T_world_vehicle: it drives 0.5 m a sweep and turns slowly."""
    return Pose.from_rotvec([0.0, 0.0, 0.01 * sweep], [0.5 * sweep, 0.0, 0.0])


def _row(pose: Pose) -> dict[str, Any]:
    return {"translation": pose.translation.tolist(), "rotation": np.roll(pose.quaternion, 1).tolist()}


def write_nuscenes(root: Path) -> Path:
    """Write the folder. Returns that of the tables."""
    tables: dict[str, list[dict[str, Any]]] = {
        "sensor": [{"token": f"s{c}", "channel": c, "modality": c[:3].lower()} for c in T_VEHICLE],
        "calibrated_sensor": [
            {"token": f"c{c}", "sensor_token": f"s{c}", **_row(T), "camera_intrinsic": K if c[0] == "C" else []}
            for c, T in T_VEHICLE.items()
        ],
        "scene": [{"token": "scene", "name": "scene-0061"}],
        "sample": [{"token": f"k{k}", "timestamp": k * MICROSECONDS, "scene_token": "scene"} for k in (0, SECOND_KEY)],
        "ego_pose": [],
        "sample_data": [],
    }

    def add(channel: str, k: int, at: float, file: str, key: bool) -> None:
        token = f"d{channel}{k}"
        tables["ego_pose"].append({"token": f"e{token}", "timestamp": round(at * MICROSECONDS), **_row(vehicle(at))})
        last = SWEEPS - 1 if channel == "LIDAR_TOP" else 0
        tables["sample_data"].append({
            "token": token, "sample_token": f"k{0 if k < SECOND_KEY else SECOND_KEY}", "ego_pose_token": f"e{token}",
            "calibrated_sensor_token": f"c{channel}", "timestamp": round(at * MICROSECONDS), "is_key_frame": key,
            "filename": file, "prev": f"d{channel}{k - 1}" if 0 < k <= last else "",
            "next": f"d{channel}{k + 1}" if k < last else "",
        })  # fmt: skip

    for k in range(SWEEPS):
        key = k in (0, SECOND_KEY)
        file = f"{'samples' if key else 'sweeps'}/LIDAR_TOP/{k}.pcd.bin"
        add("LIDAR_TOP", k, k, file, key)
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        post = (vehicle(k) @ T_VEHICLE["LIDAR_TOP"]).inverse().apply(POST[None])[0]
        own = [0.5, -0.5, -1.0]  # of the vehicle
        np.array([[*post, 51.0, 3.0], [*own, 10.0, 0.0]], "<f4").tofile(root / file)
    for channel in ("CAM_FRONT", "CAM_BACK"):
        for k in (0, SECOND_KEY):
            file = f"samples/{channel}/{k}.jpg"
            add(channel, k, k + 0.4, file, True)  # between two sweeps
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / file), np.full((900, 1600, 3), 40 + k, np.uint8))
    folder = root / VERSION
    folder.mkdir()
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return folder

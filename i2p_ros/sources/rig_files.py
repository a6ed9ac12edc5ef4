# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of extrinsic calibrations. To add a format, write its reader and a row in `READERS`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Array, Pose, so3_exp
from i2p_ros.sources.kitti_files import CalibrationFile, read_calibration
from i2p_ros.sources.static_transforms import StaticTransforms

T_BODY_OPTICAL = Pose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3))  # REP 103
POSE_KEYS = {"x", "y", "z", "roll", "pitch", "yaw"}
YAML_EXPECTED = (
    "expected frame_id (lidar), child_frame_id (camera), translation: {x, y, z} and rotation: {x, y, z, w}, or "
    "Autoware's parent: {child: {x, y, z, roll, pitch, yaw}}"
)
MAX_DEPTH = 50  # of nested values


class NoTransformError(InputError):
    """A file has no transform between the frames that are asked for."""


@dataclass(frozen=True)
class RigFile:
    """Transforms and frames of a file; or, of a file whose frames have no names, the T_camera_lidar of a camera.

    `frames` are parent and child where the file has one transform: lidar and camera. `knows_datasets` says whether the
    names of cameras are those of a dataset.
    """

    tree: StaticTransforms = field(default_factory=StaticTransforms)
    frames: tuple[str, ...] = ()
    of_camera: Callable[[str], Pose] | None = None
    knows_datasets: bool = False


def read_rig(file: Path, text: str) -> RigFile:
    """Content of a calibration file with this text, by its ending. Raises InputError for another content."""
    return READERS.get(file.suffix.lower(), _of_yaml)(file, text)


def _of_yaml(file: Path, text: str) -> RigFile:
    try:
        content: Any = yaml.safe_load(text)
        if isinstance(content, dict) and "frame_id" not in content and any(True for _ in _sensors(content)):
            return _of_sensor_kit(content)
        lidar, camera = str(content["frame_id"]), str(content["child_frame_id"])
        translation = [float(content["translation"][axis]) for axis in "xyz"]
        pose = Pose.from_quaternion([float(content["rotation"][axis]) for axis in "xyzw"], translation)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{one_line(error)}; {YAML_EXPECTED}", "calibration.file") from error
    tree = StaticTransforms()
    tree.add(lidar, camera, pose)
    return RigFile(tree, (lidar, camera))


def _of_sensor_kit(content: dict[str, Any]) -> RigFile:
    """Autoware's sensor_kit_calibration.yaml and sensors_calibration.yaml: T_parent_child of each sensor.

    The file has a camera's body frame, camera_link. Its optical frame, which images are stamped with, is a joint of the
    camera's xacro; so it is added here, as camera_optical_link and camera_optical_frame.
    """
    tree, frames = StaticTransforms(), list[str]()
    for parent, child, values in _sensors(content):
        x, y, z, *angles = (float(values[key]) for key in ("x", "y", "z", "roll", "pitch", "yaw"))
        tree.add(parent, child, Pose(_fixed_axes(*angles), np.array([x, y, z])))
        names = [parent, child]
        if child.endswith("camera_link"):
            names += [child.replace("camera_link", f"camera_optical_{end}") for end in ("link", "frame")]
            for optical in names[2:]:
                tree.add(child, optical, T_BODY_OPTICAL)
        frames += [name for name in names if name not in frames]
    return RigFile(tree, (*frames, *([""] if len(frames) == 2 else [])))  # two frames: neither is known to be a camera


def _sensors(content: Any, depth: int = 0) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Parent, child and the six numbers of each sensor of a nested mapping."""
    if not isinstance(content, dict) or depth > MAX_DEPTH:
        return
    for parent, children in content.items():
        for child, values in children.items() if isinstance(children, dict) else ():
            if isinstance(values, dict) and values.keys() >= POSE_KEYS:
                yield str(parent), str(child), values
        yield from _sensors(children, depth + 1)


def _of_json(file: Path, text: str) -> RigFile:
    """calib.json of direct_visual_lidar_calibration: T_lidar_camera as x, y, z, qx, qy, qz, qw."""
    try:
        numbers = [float(value) for value in json.loads(text)["results"]["T_lidar_camera"]]
        if len(numbers) != 7:
            raise ValueError(f"T_lidar_camera has {len(numbers)} numbers")
        T_lidar_camera = Pose.from_quaternion(numbers[3:], numbers[:3])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        expected = "expected results: {T_lidar_camera: [x, y, z, qx, qy, qz, qw]}"
        raise InputError(f"{one_line(error)}; {expected}", "calibration.file") from error
    return RigFile(of_camera=lambda camera: T_lidar_camera.inverse())


def _of_kitti(file: Path, text: str) -> RigFile:
    """KITTI's calib.txt (odometry), calib/NNNNNN.txt (object), or calib_velo_to_cam.txt (raw) with calib_cam_to_cam.txt
    beside it. Cameras are image_00 to image_03 or image_0 to image_3: the rectified ones."""
    rows = read_calibration(file)
    if "Tr" in rows.rows:
        T_rect_lidar, cameras, key = rows.rigid(rows.matrix("Tr", 3, 4), "Tr"), rows, "P{}"
    elif "Tr_velo_to_cam" in rows.rows:
        velo = rows.rigid(rows.matrix("Tr_velo_to_cam", 3, 4), "Tr_velo_to_cam")
        T_rect_lidar, cameras, key = rows.rotation("R0_rect") @ velo, rows, "P{}"
    elif {"R", "T"} <= rows.rows.keys():
        cameras, key = read_calibration(file.with_name("calib_cam_to_cam.txt")), "P_rect_0{}"
        T_rect_lidar = cameras.rotation("R_rect_00") @ rows.pose("R", "T")
    else:
        expected = "expected Tr and P0 to P3 (odometry), Tr_velo_to_cam and R0_rect (object), or R and T (raw)"
        raise InputError(f"{expected}; it has {', '.join(rows.rows) or 'no rows'}", "calibration.file")
    return RigFile(of_camera=lambda camera: _kitti_camera(camera, cameras, key) @ T_rect_lidar, knows_datasets=True)


def _kitti_camera(name: str, file: CalibrationFile, key: str) -> Pose:
    """Transform from the rectified frame of camera 0 to that of a camera: b of P = K [I | b]."""
    match = re.fullmatch(r"image_0?([0-3])", name)
    if not match:
        raise NoTransformError(f"a calibration of KITTI is of image_00 to image_03, not of {name or 'no name'!r}")
    matrix = file.matrix(key.format(match[1]), 3, 4)
    try:
        return Pose(np.eye(3), np.asarray(np.linalg.solve(matrix[:, :3], matrix[:, 3]), np.float64))
    except np.linalg.LinAlgError as error:
        raise InputError(f"{file.path}: {key.format(match[1])} is no projection", "calibration.file") from error


def _of_urdf(file: Path, text: str) -> RigFile:
    """Transforms and frames of the fixed joints. Joints that move are no calibration."""
    try:
        joints = [joint for joint in ElementTree.fromstring(text).iter("joint") if joint.get("type") == "fixed"]
        tree, frames = StaticTransforms(), list[str]()
        for joint in joints:
            parent, child = (joint.find(kind).attrib["link"] for kind in ("parent", "child"))  # type: ignore[union-attr]
            origin = joint.find("origin")
            tree.add(parent, child, _origin({} if origin is None else origin.attrib))
            frames += [name for name in (parent, child) if name not in frames]
    except (ElementTree.ParseError, AttributeError, KeyError, ValueError) as error:
        raise InputError(f"it is no URDF ({one_line(error)})", "calibration.file") from error
    return RigFile(tree, tuple(frames))


def _origin(attributes: dict[str, str]) -> Pose:
    """Transform of an `origin`. Roll, pitch and yaw are about fixed axes (REP 103 and the URDF specification)."""
    xyz, (roll, pitch, yaw) = (np.array(attributes.get(n, "0 0 0").split(), float) for n in ("xyz", "rpy"))
    return Pose(_fixed_axes(roll, pitch, yaw), xyz)


def _fixed_axes(roll: float, pitch: float, yaw: float) -> Array:
    """(3, 3) rotation by angles (rad) about the fixed axes x, y, z."""
    return so3_exp([0, 0, yaw]) @ so3_exp([0, pitch, 0]) @ so3_exp([roll, 0, 0])


READERS: dict[str, Callable[[Path, str], RigFile]] = {
    ".urdf": _of_urdf,
    ".xml": _of_urdf,
    ".xacro": _of_urdf,
    ".json": _of_json,
    ".txt": _of_kitti,
    ".yaml": _of_yaml,
    ".yml": _of_yaml,
}

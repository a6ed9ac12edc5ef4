# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of a nominal calibration: the URDF of a vehicle, or the YAML that a node's ~/save writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from i2p_ros.core.errors import InputError, one_line
from i2p_ros.core.geometry import Pose, so3_exp
from i2p_ros.sources.static_transforms import StaticTransforms


def read_nominal(file: Path, camera: str = "", lidar: str = "") -> Pose:
    """T_camera_lidar of a file, between the frames `camera` and `lidar`.

    A URDF needs both names. A YAML file has one transform, whose frames must have these names if they are given.
    Raises InputError `calibration.*` that names the file and its fault.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the calibration {file}: {one_line(error)}", "calibration.missing") from error
    try:
        tree, frames = (_of_urdf if file.suffix in (".urdf", ".xml") else _of_yaml)(text)
        if not (camera and lidar) and len(frames) == 2:
            lidar, camera = frames
        pose = tree.lookup(camera, lidar) if camera != lidar else None
    except InputError as error:  # from geometry, whose messages do not name the file
        raise InputError(f"{file} is no calibration: {error}", "calibration.file") from error
    if pose is None:
        asked = f"no way from {lidar!r} to {camera!r}" if camera and lidar else "name the frames of camera and lidar"
        has = f"it has the frames {', '.join(frames)}" if frames else "it has no fixed joint"
        raise InputError(f"{file}: {asked}; {has}", "calibration.frames")
    return pose


def _of_yaml(text: str) -> tuple[StaticTransforms, tuple[str, ...]]:
    try:
        content: Any = yaml.safe_load(text)
        lidar, camera = str(content["frame_id"]), str(content["child_frame_id"])
        translation = [float(content["translation"][axis]) for axis in "xyz"]
        pose = Pose.from_quaternion([float(content["rotation"][axis]) for axis in "xyzw"], translation)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{one_line(error)}; expected frame_id (lidar), child_frame_id (camera), "
            "translation: {x, y, z} and rotation: {x, y, z, w}",
            "calibration.file",
        ) from error
    tree = StaticTransforms()
    tree.add(lidar, camera, pose)
    return tree, (lidar, camera)


def _of_urdf(text: str) -> tuple[StaticTransforms, tuple[str, ...]]:
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
    return tree, tuple(frames)


def _origin(attributes: dict[str, str]) -> Pose:
    """Transform of an `origin`. Roll, pitch and yaw are about fixed axes (REP 103 and the URDF specification)."""
    xyz, (roll, pitch, yaw) = (np.array(attributes.get(n, "0 0 0").split(), float) for n in ("xyz", "rpy"))
    return Pose(so3_exp([0, 0, yaw]) @ so3_exp([0, pitch, 0]) @ so3_exp([roll, 0, 0]), xyz)

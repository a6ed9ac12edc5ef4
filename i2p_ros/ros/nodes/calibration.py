# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The poses of a camera on the same vehicle as the lidar, put together to a calibration in the forms that ROS reads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import yaml

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose

ROBUST = 1.4826  # of a normal distribution, the standard deviation is this times the median absolute deviation


def centre_of(poses: Sequence[Pose]) -> tuple[Pose, Array]:
    """The median pose and, per coordinate of `Pose.retract`, the standard deviation (6,) of a single one about it."""
    if not poses:
        raise InputError("no pose has been accepted yet: there is nothing to save", "calibration.empty")
    deltas = np.array([poses[-1].local(pose) for pose in poses])
    middle = np.median(deltas, axis=0)
    return poses[-1].retract(middle), ROBUST * np.median(np.abs(deltas - middle), axis=0)


def write_calibration(
    folder: Path, pose: Pose, std: Array, pairs: int, lidar: str, camera: str, std_of: str = "one_pair"
) -> list[Path]:
    """Files <lidar>_<camera>.yaml, .urdf and .sh of T_lidar_camera; the pose is T_camera_lidar, of so many pairs, and
    `std` (6,) the standard deviation that one of them gives it, or whatever it is `std_of`.

    A folder of ~ is that of the user. Raises InputError when it cannot be written.
    """
    T_lidar_camera = pose.inverse()
    texts = {
        "yaml": _yaml(T_lidar_camera, std, pairs, lidar, camera, std_of),
        "urdf": _urdf(T_lidar_camera, lidar, camera),
        "sh": _command(T_lidar_camera, lidar, camera),
    }
    name = f"{lidar}_{camera}".replace("/", "_")
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        for ending, text in texts.items():
            (folder / f"{name}.{ending}").write_text(text)
    except (OSError, RuntimeError) as error:  # the latter where the user has no home
        raise InputError(f"cannot write the calibration to {folder}: {error}", "output") from error
    return [folder / f"{name}.{ending}" for ending in texts]


def roll_pitch_yaw(pose: Pose) -> tuple[float, float, float]:
    """Angles (rad) about the fixed axes x, y, z, as URDF wants; at a pitch of 90 deg roll is taken as 0."""
    r = pose.rotation
    cosine = float(np.hypot(r[0, 0], r[1, 0]))
    pitch = float(np.arctan2(-r[2, 0], cosine))
    if cosine < 1e-9:
        return 0.0, pitch, float(np.arctan2(-r[0, 1], r[1, 1]))
    return float(np.arctan2(r[2, 1], r[2, 2])), pitch, float(np.arctan2(r[1, 0], r[0, 0]))


def _yaml(T_lidar_camera: Pose, std: Array, pairs: int, lidar: str, camera: str, std_of: str) -> str:
    content = {
        "frame_id": lidar,
        "child_frame_id": camera,
        "translation": dict(zip("xyz", T_lidar_camera.translation.tolist(), strict=True)),
        "rotation": dict(zip("xyzw", T_lidar_camera.quaternion.tolist(), strict=True)),
        "pairs": pairs,
        f"std_of_{std_of}": {"translation_m": std[:3].tolist(), "rotation_deg": np.degrees(std[3:]).tolist()},
    }
    return yaml.safe_dump(content, sort_keys=False)


def _urdf(T_lidar_camera: Pose, lidar: str, camera: str) -> str:
    xyz = " ".join(f"{v:.9g}" for v in T_lidar_camera.translation)
    rpy = " ".join(f"{v:.9g}" for v in roll_pitch_yaw(T_lidar_camera))
    return (
        f'<joint name={quoteattr(f"{lidar}_to_{camera}")} type="fixed">\n'
        f"  <parent link={quoteattr(lidar)}/>\n  <child link={quoteattr(camera)}/>\n"
        f'  <origin xyz="{xyz}" rpy="{rpy}"/>\n</joint>\n'
    )


def _command(T_lidar_camera: Pose, lidar: str, camera: str) -> str:
    numbers = [*T_lidar_camera.translation, *T_lidar_camera.quaternion]
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    options = " ".join(f"--{name} {value:.9g}" for name, value in zip(names, numbers, strict=True))
    frames = f"--frame-id {shlex.quote(lidar)} --child-frame-id {shlex.quote(camera)}"
    return f"ros2 run tf2_ros static_transform_publisher {options} {frames}\n"

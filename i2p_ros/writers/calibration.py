# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of an extrinsic calibration that ROS reads: YAML, URDF, and the command of a static_transform_publisher."""

from __future__ import annotations

import shlex
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import yaml

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose


def write_calibration(
    folder: Path, pose: Pose, std: Array, pairs: int, lidar: str, camera: str, std_of: str = "one_pair"
) -> list[Path]:
    """Paths of the written files <lidar>_<camera>.yaml, .urdf and .sh, which hold T_lidar_camera.

    `pose` is T_camera_lidar from a number of `pairs`. `std` (6,) is the standard deviation, in m and rad, of the pose
    from one pair, or of what `std_of` names. A folder may begin with ~. Raises InputError if it cannot be written.
    """
    texts = calibration_texts(pose, std, pairs, lidar, camera, std_of)
    name = f"{lidar}_{camera}".replace("/", "_")
    try:
        folder = folder.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        for ending, text in texts.items():
            (folder / f"{name}.{ending}").write_text(text)
    except (OSError, RuntimeError) as error:  # the latter where the user has no home
        raise InputError(f"cannot write the calibration to {folder}: {error}", "output") from error
    return [folder / f"{name}.{ending}" for ending in texts]


def calibration_texts(
    pose: Pose, std: Array, pairs: int, lidar: str, camera: str, std_of: str = "one_pair"
) -> dict[str, str]:
    """Texts of the files of `write_calibration`, by their endings: yaml, urdf and sh."""
    T_lidar_camera = pose.inverse()
    return {
        "yaml": _yaml(T_lidar_camera, std, pairs, lidar, camera, std_of),
        "urdf": _urdf(T_lidar_camera, lidar, camera),
        "sh": _command(T_lidar_camera, lidar, camera),
    }


def roll_pitch_yaw(pose: Pose) -> tuple[float, float, float]:
    """Angles (rad) about the fixed axes x, y, z, as in URDF. At a pitch of 90 deg, roll is 0."""
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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Common mistakes in calibration files: a wrong calibration that would be right without one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from i2p_ros.core.geometry import Pose, are_within, so3_exp

NEAR_M, NEAR_RAD = 0.3, np.radians(3.0)  # a mistake explains an error if its correction is as near to the truth
LARGE_M, LARGE_RAD = 0.5, np.radians(8.0)  # smaller errors are no mistakes of convention
_BODY_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # R_optical_body, by REP 103


def _turned(pose: Pose, x: float, y: float, z: float) -> Pose:
    """The pose with its camera turned about the camera's own axes, deg."""
    return Pose(so3_exp(np.radians([x, y, z])), np.zeros(3)) @ pose


def _with_lidar_turned(pose: Pose, degrees: float) -> Pose:
    """The pose with its lidar turned about the lidar's vertical axis."""
    return pose @ Pose(so3_exp(np.radians([0.0, 0.0, degrees])), np.zeros(3))


MISTAKES: tuple[tuple[str, Callable[[Pose], Pose]], ...] = (
    ("it is T_lidar_camera: the transform is inverted", lambda pose: pose.inverse()),
    (
        "its camera axes are those of a body (x forward, z up), not of an optical frame (z forward, y down)",
        lambda pose: Pose(_BODY_AXES, np.zeros(3)) @ pose,
    ),
    (
        "it is inverted, and its camera axes are those of a body (x forward, z up)",
        lambda pose: Pose(_BODY_AXES, np.zeros(3)) @ pose.inverse(),
    ),
    ("its rotation is transposed", lambda pose: Pose(pose.rotation.T, pose.translation)),
    ("its translation has the wrong sign", lambda pose: Pose(pose.rotation, -pose.translation)),
    ("its translation is in mm, not in m", lambda pose: Pose(pose.rotation, 1e-3 * pose.translation)),
    ("its translation is in cm, not in m", lambda pose: Pose(pose.rotation, 1e-2 * pose.translation)),
    (
        "its translation is the place of the camera in the lidar frame, not that of the lidar in the camera frame",
        lambda pose: Pose(pose.rotation, -pose.rotation @ pose.translation),
    ),
    ("its camera looks backwards: it is turned by 180 deg about its vertical axis", lambda p: _turned(p, 0, 180, 0)),
    ("its camera is upside down: it is turned by 180 deg about its optical axis", lambda p: _turned(p, 0, 0, 180)),
    ("its lidar is turned by 180 deg about its vertical axis", lambda pose: _with_lidar_turned(pose, 180.0)),
    ("its lidar is turned by +90 deg about its vertical axis", lambda pose: _with_lidar_turned(pose, -90.0)),
    ("its lidar is turned by -90 deg about its vertical axis", lambda pose: _with_lidar_turned(pose, 90.0)),
)  # what is wrong with the given T_camera_lidar, and the function that corrects it


def mistake(given: Pose, right: Pose) -> str:
    """The mistake whose correction takes the given T_camera_lidar to the right one, or an empty text."""
    if are_within(given, right, LARGE_M, LARGE_RAD):
        return ""
    fits = [text for text, corrected in MISTAKES if are_within(corrected(given), right, NEAR_M, NEAR_RAD)]
    return fits[0] if fits else ""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well a pair shows each axis of its pose, in a word: `core.observability` for a localized camera."""

from __future__ import annotations

import numpy as np

from i2p_ros.core.geometry import to_camera_axes
from i2p_ros.core.observability import Seen, directions
from i2p_ros.core.types import PoseEstimate

LIMITS = np.repeat([2.0, np.radians(5.0)], 3)  # m, rad: an axis with a wider 95 % interval is not seen


def pose_directions(estimate: PoseEstimate) -> dict[str, str]:
    """Axis to word, for the axes tx (right), ty (down), tz (forward) of the camera and the rotations rx, ry, rz about
    them. Empty without a pose or a finite covariance."""
    if estimate.pose is None or estimate.covariance is None or not np.isfinite(estimate.covariance).all():
        return {}
    about_camera = to_camera_axes(estimate.pose, estimate.covariance)
    if not (np.diag(about_camera) > 0).all():
        return {}
    return {found.axis: found.word.value for found in directions(about_camera, LIMITS)}


def weak_directions(estimate: PoseEstimate) -> dict[str, str]:
    """Word to the names of its axes, without the axes that are well seen."""
    found = pose_directions(estimate)
    words = [word.value for word in (Seen.WEAK, Seen.NOT) if word.value in found.values()]
    return {word: ", ".join(axis for axis, its in found.items() if its == word) for word in words}

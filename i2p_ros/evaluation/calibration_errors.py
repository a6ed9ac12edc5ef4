# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of poses as those of calibrations, by the measures of NativeCross (RA-L 2026). See definitions.CALIBRATION."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2p_ros.core.geometry import Array, Pose
from i2p_ros.evaluation.definitions import CALIBRATION, LEVELS_OF_CALIBRATION
from i2p_ros.evaluation.metrics import Numbers, Score


def calibration_errors(T_estimated: Pose, T_true: Pose) -> tuple[Array, Array]:
    """Absolute Euler angles (3,) deg, intrinsic x, y, z, and translation (3,) cm of T_estimated inv(T_true)."""
    rest = T_estimated @ T_true.inverse()
    r = rest.rotation  # = Rx(a) Ry(b) Rz(c)
    angles = [np.arctan2(-r[1, 2], r[2, 2]), np.arcsin(np.clip(r[0, 2], -1.0, 1.0)), np.arctan2(-r[0, 1], r[0, 0])]
    return np.abs(np.degrees(angles)), np.abs(100.0 * rest.translation)


def calibration_quality(scores: Sequence[Score]) -> dict[str, float | None]:
    """Numbers of CALIBRATION over the pairs with a known draw; all null where none of them has a pose."""
    found = [(_pose(s.T_estimated), _pose(s.draw.T_camera_lidar)) for s in scores if s.T_estimated and s.draw]
    return quality_of(found, len(scores))


def quality_of(found: Sequence[tuple[Pose, Pose]], total: int) -> dict[str, float | None]:
    """Numbers of CALIBRATION over `total` calibrations, of which those that are `found` are given with the true ones.

    All are null where none is found.
    """
    if not found:
        return dict.fromkeys(CALIBRATION)
    degrees, cm = (np.array(values) for values in zip(*(calibration_errors(*each) for each in found), strict=True))
    lengths = np.linalg.norm(degrees, axis=1), np.linalg.norm(cm, axis=1)
    return {
        "rotation_rmse_deg": float(lengths[0].mean()),
        "rotation_mae_deg": float(degrees.mean()),
        "translation_rmse_cm": float(lengths[1].mean()),
        "translation_mae_cm": float(cm.mean()),
        **{
            level: float(((lengths[0] < deg) & (lengths[1] < centimetres)).sum() / total)
            for level, (deg, centimetres) in LEVELS_OF_CALIBRATION.items()
        },
    }


def _pose(numbers: Numbers) -> Pose:
    """Pose of the upper three rows of its matrix."""
    rows = np.reshape(numbers, (3, 4))
    return Pose(rows[:, :3], rows[:, 3])

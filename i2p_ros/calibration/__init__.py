# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The extrinsic calibration of a recording, without target and guess, and the judgement of a given calibration."""

from i2p_ros.calibration.calibrator import Calibrator
from i2p_ros.calibration.check import CalibrationCheck, Judgement, checked
from i2p_ros.calibration.result import CalibrationResult, CalibrationStatus
from i2p_ros.calibration.rigs import Rig, rigs

__all__ = [
    "CalibrationCheck",
    "CalibrationResult",
    "CalibrationStatus",
    "Calibrator",
    "Judgement",
    "Rig",
    "checked",
    "rigs",
]

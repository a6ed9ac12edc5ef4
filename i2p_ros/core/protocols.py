# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one list of benchmark protocols: how clouds are moved, or which prior is given."""

from __future__ import annotations

from typing import Literal

CloudProtocol = Literal["none", "vp2p", "sixdof"]  # of the cloud alone, as a replay can play it
CalibrationProtocol = Literal["calib", "calib_10_25", "calib_10_50"]  # of a calibration that is off: deg and cm
ProtocolName = Literal[CloudProtocol, "prior", CalibrationProtocol]
_CALIB = (
    "the cloud as the source gives it, and a prior: the true pose, off in the camera frame by a rotation vector within"
    " +-a about each axis, where a is uniform in 0..{deg} deg, and moved within +-b along each axis, where b is uniform"
    " in 0..{cm} cm (as the released code of NativeCross, RA-L 2026, draws)"
)
PROTOCOLS: dict[ProtocolName, str] = {
    "none": "the cloud as the source gives it",
    "vp2p": "cloud turned about its up axis by uniform -180..180 deg and moved by uniform +-10 m in its ground plane",
    "sixdof": "as vp2p, tilted by a rotation vector of uniform +-10 deg in x and in y, and raised by uniform +-1 m",
    "prior": "the cloud as the source gives it, and a prior: the true pose, moved by uniform +-1 m along each camera"
    " axis and turned by a rotation vector of uniform +-10 deg about each",
    "calib": _CALIB.format(deg=15, cm=15),
    "calib_10_25": _CALIB.format(deg=10, cm=25),
    "calib_10_50": _CALIB.format(deg=10, cm=50),
}

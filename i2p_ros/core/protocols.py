# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one list of benchmark protocols: how clouds are moved, or which prior is given."""

from __future__ import annotations

from typing import Literal

CloudProtocol = Literal["none", "vp2p", "sixdof"]  # of the cloud alone, as a replay can play it
ProtocolName = Literal[CloudProtocol, "prior"]
PROTOCOLS: dict[ProtocolName, str] = {
    "none": "the cloud as the source gives it",
    "vp2p": "cloud turned about its up axis by uniform -180..180 deg and moved by uniform +-10 m in its ground plane",
    "sixdof": "as vp2p, tilted by a rotation vector of uniform +-10 deg in x and in y, and raised by uniform +-1 m",
    "prior": "the cloud as the source gives it, and a prior: the true pose, moved by uniform +-1 m along each camera"
    " axis and turned by a rotation vector of uniform +-10 deg about each",
}

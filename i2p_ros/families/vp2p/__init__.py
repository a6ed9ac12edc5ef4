# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VP2P-Match (Zhou et al., NeurIPS 2023), with changes. Read settings, inputs, network and decode, in this order."""

from i2p_ros.families.vp2p.family import VP2P

__all__ = ["VP2P"]

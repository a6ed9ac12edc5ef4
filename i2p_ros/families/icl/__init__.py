# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ICL++ (Li et al., CVPR 2025), with changes. Read settings, branches.own_frame, network and decode, in this order."""

from i2p_ros.families.icl.family import ICL

__all__ = ["ICL"]

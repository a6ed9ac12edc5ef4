# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diff2I2P (Mu et al., ICCV 2025), with changes. Read settings, branches.own_frame, network and decode."""

from i2p_ros.families.diff2i2p.family import Diff2I2P

__all__ = ["Diff2I2P"]

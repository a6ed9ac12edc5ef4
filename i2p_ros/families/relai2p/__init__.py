# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RelaI2P (ICASSP 2025), with changes: VP2P with a panorama. Read settings, inputs, network, decode, in this order."""

from i2p_ros.families.relai2p.family import RelaI2P

__all__ = ["RelaI2P"]

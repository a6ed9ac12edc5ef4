# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic streets and rooms, ray cast: images and clouds with exact truth, the same for the same seed."""

from i2p_ros.synthetic.source import SyntheticSource, synthetic_source

__all__ = ["SyntheticSource", "synthetic_source"]

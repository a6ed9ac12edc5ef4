# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic street world, ray cast: images and clouds with exact truth, the same for the same seed."""

from i2p_ros.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource"]

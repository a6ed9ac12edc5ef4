# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes. They make the same calls as Python programs do. No other folder imports ROS."""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: thin shells around the same calls that Python programs make. Nothing else imports ROS."""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples written as KITTI folders and bags, and monitor records as MCAP. Neither needs ROS."""

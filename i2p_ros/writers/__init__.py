# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writers of samples as KITTI folders and bags, and of monitor records as MCAP, without ROS."""

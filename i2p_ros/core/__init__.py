# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types and maths that every other part builds on; numpy and OpenCV only, no torch and no ROS."""

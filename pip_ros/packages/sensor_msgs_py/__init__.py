# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the one function of sensor_msgs_py that i2p_ros calls, where ROS comes from pip wheels."""

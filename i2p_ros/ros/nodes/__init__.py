# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nodes localizer and drift_monitor. Start with localizer_node.py, then localizer_channel.py."""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The soak test: hours of valid pairs and faults for a localizer node in a second process. Start with run.py."""

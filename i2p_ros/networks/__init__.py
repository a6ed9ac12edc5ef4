# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the networks of all families are made of: blocks, matching, and the interface that runtimes use."""

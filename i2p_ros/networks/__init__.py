# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks, one file per family. A family turns a pair into tensors and its network's answer into matches."""

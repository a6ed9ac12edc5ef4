# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: the time of a pair, the drift monitor, and poses from matches beside other libraries."""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where pairs come from: a dataset folder, a recorded bag, or the synthetic world."""

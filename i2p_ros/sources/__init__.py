# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of samples: dataset folders, recorded bags and the synthetic world."""

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: an index, the monitor, the calibration or the localizer on all of them, and a page of results."""

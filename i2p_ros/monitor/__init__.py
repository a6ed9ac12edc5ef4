# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration drift: how far a camera has moved from its nominal calibration, and how sure that is. Numpy alone."""

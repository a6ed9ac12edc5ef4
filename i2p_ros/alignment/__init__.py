# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Making a pose exact by what images and clouds say of each other. Numpy and OpenCV alone."""

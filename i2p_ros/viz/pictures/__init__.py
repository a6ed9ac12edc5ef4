# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a localized pair with colour bar, scale and error ellipse: still and moving."""

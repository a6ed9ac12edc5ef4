# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The type of what long computations call after each part."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # number of parts done, number in all

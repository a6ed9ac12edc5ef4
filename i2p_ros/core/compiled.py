# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The decorator of functions that numba compiles.

The code is kept on disk, beside the module or in the user's cache folder. Compiled functions release the GIL and run in
the thread that calls them.
"""

from __future__ import annotations

from typing import Any

from numba import njit

# sums in any order, which vectors need. NaN and infinity keep their meaning: comparisons guard against them
FAST = {"reassoc", "contract", "arcp", "nsz"}
compiled: Any = njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")

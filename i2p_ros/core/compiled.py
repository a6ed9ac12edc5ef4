# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The decorators of functions that numba compiles.

Compiled functions release the GIL and run in the thread that calls them. The code of kernels is kept on disk, beside
the module or in the user's cache folder.

A kernel has one signature. numba 0.68 keeps the code of each signature in a file of its own, but two processes that
compile two signatures of one function at the same time may choose the same file, and later calls run the wrong code:
see findings/numba_cache_two_processes.sh. A kernel calls compiled functions of its own module only. numba compiles it
again when that file changes, and looks at no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import extending, njit

OPTIONS: dict[str, Any] = {
    "nogil": True,
    # sums in any order, which vectors need. NaN and infinity keep their meaning: comparisons guard against them
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
    "error_model": "numpy",
}
inner: Any = njit(**OPTIONS)
"""Decorator of a function that kernels of the same module call."""
intrinsic: Any = extending.intrinsic
"""Decorator of a function that gives the instructions of one that kernels of the same module call."""


def kernel(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of a function that Python calls, compiled on import for arguments of these types.

    The signature is written as numba does: `float32[:, ::1]` is a writable array in C order. Other arguments raise
    TypeError.
    """
    decorator: Callable[[Callable[..., Any]], Any] = njit(signature, cache=True, **OPTIONS)
    return decorator

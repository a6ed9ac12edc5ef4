# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of large arrays that is used again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ReusedMemory:
    """Gives float32 arrays in memory of arrays that are no longer used. Several threads may ask.

    The system takes large memory back as soon as an array is gone. To get it again page by page takes longer than to
    compute what is written there, unless the program has called `core.memory.keep_freed_memory`. At most `most` unused
    pieces are kept.
    """

    def __init__(self, most: int = 2) -> None:
        self._most, self._unused = most, list[NDArray[np.float32]]()

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An array of a shape, with any values. Its memory is used again when it and all its views are gone."""
        size = math.prod(shape)
        try:
            memory = self._unused.pop()
        except IndexError:
            memory = np.empty(size, np.float32)
        if memory.size < size:
            memory = np.empty(size, np.float32)
        return np.asarray(_Lent(self, memory, shape))

    def take_back(self, memory: NDArray[np.float32]) -> None:
        """Keep memory that nothing uses, or let it go where enough is kept."""
        if len(self._unused) < self._most:
            self._unused.append(memory)


class _Lent:
    """The owner of an array in reused memory: each view of the array keeps it alive."""

    def __init__(self, lender: ReusedMemory, memory: NDArray[np.float32], shape: tuple[int, ...]) -> None:
        self._lender, self._memory = lender, memory
        self.__array_interface__: dict[str, Any] = {**memory.__array_interface__, "shape": shape}

    def __del__(self) -> None:
        self._lender.take_back(self._memory)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Forward passes whose inputs a test sees first."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from i2p_ros.networks.base import Arrays, Tensors
from i2p_ros.runtime.torch_runtime import Passes


class SeenPasses:
    """Calls `see` with the inputs of each pass before the pass, which `see` may replace by what it returns."""

    def __init__(self, passes: Passes, see: Callable[[Arrays], Tensors | None]) -> None:
        self._passes, self._see = passes, see

    def __call__(self, inputs: Arrays) -> Tensors:
        return self._see(inputs) or self._passes(inputs)

    def signals(self) -> NDArray[np.float32]:
        return self._passes.signals()

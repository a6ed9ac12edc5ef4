# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What long computations call after each part."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the help of all commands imports this module
    from i2p_ros.core.types import Pair, PoseEstimate

Progress = Callable[[int, int], None]  # number of parts done, number in all
Localized = Callable[["Pair", "PoseEstimate"], None]  # a pair, and what was found for it


def unheard(pair: Pair, estimate: PoseEstimate) -> None:
    """The `Localized` that does nothing."""

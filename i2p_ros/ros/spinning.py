# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that handles its callbacks in turns with the code that drives it."""

from __future__ import annotations

import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


class SpinningNode(Node):
    """A node with an executor of its own, which runs only inside `spin`."""

    def __init__(self, name: str, **node_arguments: Any) -> None:
        super().__init__(name, **node_arguments)
        self._spinner = SingleThreadedExecutor(context=self.context)
        self._spinner.add_node(self)

    def spin(self, seconds: float) -> None:
        """Handle callbacks for a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._spinner.spin_once(timeout_sec=left)

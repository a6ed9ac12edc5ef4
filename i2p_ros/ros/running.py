# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start a node, let it run, and end with an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException

from i2p_ros.core.errors import I2PError


class Runnable(Protocol):
    """A node that knows how to run and how to end."""

    def run(self) -> None: ...

    def destroy_node(self) -> None: ...


def run(make: Callable[[], Runnable], args: list[str] | None = None) -> int:
    """Exit code: 0 after the end or a signal, 1 after an error that is said in one line."""
    node, code = None, 0
    try:
        rclpy.init(args=args)
        node = make()
        node.run()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except I2PError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = 1
    finally:
        # ros2 launch sends a second SIGINT after ctrl-c, which must not break the clean-up
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return code

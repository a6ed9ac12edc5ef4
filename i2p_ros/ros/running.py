# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start a node, let it run, and end with an exit code. What takes long to import waits until signals are handled."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

from i2p_ros.core.memory import keep_freed_memory

END_S = 1.5  # after this a signal ends the process, whatever it is doing


class Runnable(Protocol):
    """A node that knows how to run and how to end."""

    def run(self) -> None: ...

    def destroy_node(self) -> None: ...


class _Signals:
    """SIGINT and SIGTERM end the process with exit code 0: at once before there is a node, else by its clean-up.

    The interpreter writes each signal to a pipe that a thread reads (signal.set_wakeup_fd), so that neither a long
    import nor a call that never returns keeps it from being heard, and a second signal disturbs no clean-up.
    """

    def __init__(self) -> None:
        self.end: Callable[[], None] | None = None  # asks the node to end
        self.came = False
        self._heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        os.read(self._heard, 1)
        self.came = True
        if self.end is not None:
            self.end()
            time.sleep(END_S)
        leave(0)


def leave(code: int) -> NoReturn:
    """End the process now: threads that still compute would crash in an interpreter that is being taken down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(make: Callable[[], Runnable], args: list[str] | None = None) -> NoReturn:
    """Exit code: 0 after the end or a signal, 1 after an error, which is said in one line if it is one of ours."""
    signals = _Signals()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin beside others
    keep_freed_memory()
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.signals import SignalHandlerOptions

    from i2p_ros.core.errors import I2PError

    node, code = None, 0
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        signals.end = rclpy.try_shutdown
        node = make()
        node.run()
    except ExternalShutdownException:
        pass
    except Exception as error:
        code = 1
        if isinstance(error, I2PError):
            print(f"error: {error}", file=sys.stderr)
        elif signals.end is None or rclpy.ok():  # else it is only that ROS has been taken away beneath the node
            traceback.print_exc()
    with suppress(Exception):
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    leave(0 if signals.came else code)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start a node, run it, and end with an exit code. Slow imports wait until signals are handled."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from i2p_ros.core.memory import keep_freed_memory

END_S = 1.5  # time from a signal to the end of the process, whatever it is doing


class Runnable(Protocol):
    """A node that can run and be destroyed."""

    def run(self) -> None: ...

    def create_guard_condition(self, callback: Callable[[], None]) -> Any: ...

    def destroy_node(self) -> None: ...


class _Signals:
    """SIGINT and SIGTERM end the process with exit code 0: at once without a node, otherwise after its clean-up.

    The interpreter writes each signal to a pipe that a thread reads (signal.set_wakeup_fd). Neither a long import nor a
    call that never returns delays the thread. A second signal does not disturb the clean-up.
    """

    def __init__(self) -> None:
        self.received = False
        self._end: Callable[[], None] | None = None
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def end_with(self, end: Callable[[], None]) -> None:
        """From now on, call `end` at a signal, and give the main thread time to clean up."""
        self._end = end
        if self.received:
            end()

    def _listen(self) -> None:
        os.read(self._reader, 1)
        self.received = True
        if self._end is not None:
            self._end()
            time.sleep(END_S)
        leave(0)


def leave(code: int) -> NoReturn:
    """End the process now. Threads that still compute would crash while the interpreter is finalized."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(make: Callable[[], Runnable], args: list[str] | None = None) -> NoReturn:
    """Run a node. The exit code is 0 after its end or a signal, 1 after an error.

    ROS is shut down by the thread that uses it: rclpy crashes where another one does so during a lifecycle transition.
    """
    keep_freed_memory()
    signals = _Signals()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded: idle threads must not spin
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.signals import SignalHandlerOptions

    from i2p_ros.core.errors import I2PError

    def end() -> None:
        raise ExternalShutdownException

    node, code = None, 0
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        signals.end_with(lambda: None)  # the constructor is not disturbed
        node = make()
        signals.end_with(node.create_guard_condition(end).trigger)
        node.run()
    except ExternalShutdownException:
        pass
    except Exception as error:
        code = 1
        if isinstance(error, I2PError):
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exc()
    with suppress(Exception):
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    leave(0 if signals.received else code)

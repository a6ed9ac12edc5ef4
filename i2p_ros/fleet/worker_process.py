# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that does one task after the other, within limits of time and memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from i2p_ros.core.errors import MissingPackageError, install_command
from i2p_ros.fleet.tasks import Ending, FleetTask, TaskOutcome, WorkOrder
from i2p_ros.fleet.worker import READY

STEP = 0.1  # s, between checks of the limits
MOST_SECONDS_TO_START = 600.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class WorkerProcess:
    """Starts a worker process when it is needed, and kills it when its task is beyond a limit.

    Raises MissingPackageError without psutil.
    """

    def __init__(self, order: WorkOrder) -> None:
        try:
            import psutil
        except ImportError as error:
            raise MissingPackageError(f"i2p fleet needs psutil: {install_command('fleet')}") from error
        self._psutil, self._order = psutil, order
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._is_ready = False
        self._deadline = 0.0

    def begin(self, task: FleetTask) -> None:
        """Give the process a task. It must have none."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()  # it was killed between two tasks
        if self._process is None:
            self._start()
        self._deadline = time.monotonic() + (self._order.limits.seconds if self._is_ready else MOST_SECONDS_TO_START)
        with suppress(OSError):  # it has just been killed, which `outcome` finds
            assert self._connection is not None
            self._connection.send(task)

    def outcome(self, timeout: float) -> TaskOutcome | None:
        """The outcome of the task, or none if it does not end within `timeout`, s."""
        until = time.monotonic() + timeout
        while True:
            found = self._message(max(0.0, min(STEP, until - time.monotonic()))) or self._beyond_limit()
            if found is not None or time.monotonic() >= until:
                return found

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for end in (self._process.stdin, self._connection):
            if end is not None:
                with suppress(OSError):
                    end.close()
        self._process = self._connection = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        threads = str(self._order.settings["fleet"]["threads"])
        path = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | dict.fromkeys(THREADS, threads) | {"PYTHONPATH": path}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "i2p_ros.fleet.worker", str(theirs.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment,
            )  # fmt: skip
        self._connection = Connection(ours.detach())
        self._is_ready = False
        self._connection.send(self._order)

    def _message(self, timeout: float) -> TaskOutcome | None:
        """The outcome that the process sends within a time (s), or that of its death."""
        assert self._connection is not None
        try:
            if not self._connection.poll(timeout):
                return None
            message = self._connection.recv()
        except (EOFError, OSError):
            return self._death()
        if message == READY:
            self._is_ready, self._deadline = True, time.monotonic() + self._order.limits.seconds
            return None
        return message if isinstance(message, TaskOutcome) else None

    def _death(self) -> TaskOutcome:
        """The outcome of a task whose process has ended."""
        assert self._process is not None
        code = self._process.wait()
        self.stop()
        if code < 0:
            name = signal.Signals(-code).name
            if -code in FROM_OUTSIDE:
                return TaskOutcome(Ending.KILLED, "worker.killed", f"the worker was killed by {name}")
            return TaskOutcome(Ending.FAILED, "task.crashed", f"the worker crashed by {name}")
        if not self._is_ready:
            return TaskOutcome(Ending.FATAL, "worker.start", f"a worker cannot start: it ended with exit code {code}")
        return TaskOutcome(Ending.FAILED, "task.crashed", f"the worker ended with exit code {code}")

    def _beyond_limit(self) -> TaskOutcome | None:
        """The outcome of a task beyond a limit, whose process is killed."""
        limits = self._order.limits
        if self._process is None:
            return None
        if time.monotonic() > self._deadline:
            self.stop()
            seconds = limits.seconds if self._is_ready else MOST_SECONDS_TO_START
            return TaskOutcome(Ending.FAILED, "task.timeout", f"it took more than {seconds:g} s (--task-timeout)")
        with suppress(self._psutil.NoSuchProcess):
            used = self._psutil.Process(self._process.pid).memory_info().rss
            if used > limits.memory:
                self.stop()
                most = f"{limits.memory / 1e9:g} GB"
                return TaskOutcome(Ending.FAILED, "task.memory", f"it needed more than {most} (--task-memory)")
        return None

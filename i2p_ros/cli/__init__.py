# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `i2p`: one short function a verb. Only this package prints and chooses exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from i2p_ros.core.errors import I2PError, MissingPackageError

TERMINATED = 128 + signal.SIGTERM  # exit codes, as a shell would say them
INTERRUPTED = 128 + signal.SIGINT
AGAIN_S = 0.1  # until a signal is sent again


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. CPython ends by the signal, not by our exit code, where a KeyboardInterrupt itself has left an exec()."""


def main() -> None:
    """Run the command line. An error of ours, of files or of a missing package is one line on stderr and exit code 1.

    SIGTERM ends it as ctrl-c does: with nothing half-written, and without leaving the localizer's process behind.
    Both are repeated until they have ended the command, since C code may lose the error that they raise.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: its threads must not spin beside others
    signal.signal(signal.SIGTERM, raising(SystemExit(TERMINATED), repeated=True))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as of a job in the background
        signal.signal(signal.SIGINT, raising(Interrupted(), repeated=True))
    try:
        try:
            _run()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def raising(error: BaseException, repeated: bool = False) -> Callable[[int, FrameType | None], None]:
    """A signal handler that raises an error.

    It waits for the end of an import: C++ modules such as PyTorch's would abort the process. Where it is `repeated`,
    the error is raised again until a block that handles it is at work. Its clean-up is not disturbed.
    """

    def handler(_number: int, frame: FrameType | None) -> None:
        importing = _is_importing(frame)
        if importing or repeated:
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        if not importing and not _is_handled(error):
            raise error

    return handler


def _is_importing(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _is_handled(error: BaseException) -> bool:
    """Whether an `except`, `finally` or `with` block of this thread is at work because of an error."""
    handled = sys.exc_info()[1]
    while handled and handled is not error:
        handled = handled.__context__
    return handled is error


def _run() -> None:
    from i2p_ros.cli.app import app
    from i2p_ros.cli.arguments import with_json_targets
    from i2p_ros.cli.parts import console, tell_error
    from i2p_ros.core.memory import keep_freed_memory

    keep_freed_memory()
    try:
        try:
            app(with_json_targets(sys.argv[1:]), prog_name="i2p")
        finally:
            sys.stdout.flush()  # here, where a broken pipe is expected
    except BrokenPipeError:
        raise
    except (I2PError, OSError, ImportError) as error:
        if isinstance(error, ImportError):
            if (error.name or "").startswith("i2p_ros"):  # a fault of ours
                raise
            error = MissingPackageError(f"{error}: a package is missing or damaged; `i2p doctor` says what to install")
        console.quiet = False  # which the other processes of a training are
        tell_error(error)
        sys.exit(1)

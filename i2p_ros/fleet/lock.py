# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lock of an output, so that two runs do not write into it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from i2p_ros.core.errors import InputError
from i2p_ros.fleet.storage import Storage

NAME = "run.lock"


@contextmanager
def locked(out: Storage) -> Iterator[str]:
    """Context in which no other run writes into an output. Its value says whose lock was taken over; or it is empty.

    The lock of a dead process of this machine is taken over. Raises InputError `fleet.locked` if another run has it.
    """
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "start": datetime.now(timezone.utc).isoformat()}
    content = (json.dumps(mine) + "\n").encode()
    note = ""
    if not out.create(NAME, content):
        before = out.read(NAME)
        note = _dead(before, out, str(mine["host"]))
        taken = out.take(NAME)
        if taken not in (before, None):  # another run took it over first: its lock is put back
            out.create(NAME, taken or b"")
        if taken != before or not out.create(NAME, content):
            raise InputError(f"another run has just begun to write into {out.uri}", "fleet.locked")
    try:
        yield note
    finally:
        if out.read(NAME) == content:
            out.remove(NAME)


def _dead(lock: bytes | None, out: Storage, host: str) -> str:
    """A sentence on the dead run that left a lock. Raises InputError `fleet.locked` if it may be alive."""
    import psutil

    try:
        other = json.loads(lock or b"{}")
        whose, pid, start = str(other["host"]), int(other["pid"]), str(other["start"])
    except (ValueError, KeyError, TypeError):
        return f"{NAME} of {out.uri} was damaged and is replaced"
    name = f"process {pid} on {whose} (since {start})"
    begun = datetime.fromisoformat(start).timestamp()
    if whose != host:
        raise InputError(f"{out.uri} is in use by {name}; if that is dead, remove {NAME}", "fleet.locked")
    try:
        if psutil.Process(pid).create_time() <= begun + 1.0:
            raise InputError(f"{out.uri} is in use by {name}", "fleet.locked")
    except psutil.NoSuchProcess:
        pass
    return f"the lock of {name}, which is dead, was taken over"

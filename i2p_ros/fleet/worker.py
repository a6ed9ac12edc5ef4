# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The process that does tasks: python -m i2p_ros.fleet.worker DESCRIPTOR

It ends when its standard input is closed, and so together with the process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from i2p_ros.core.config import Settings, validated
from i2p_ros.core.errors import DeviceError, I2PError, InputError, one_line
from i2p_ros.core.memory import keep_freed_memory
from i2p_ros.fleet.jobs import JOBS, Job
from i2p_ros.fleet.recordings import content_hash, local_copy, recording_at
from i2p_ros.fleet.tasks import Ending, FleetTask, TaskOutcome, WorkOrder

READY = "ready"  # the message of a worker that has loaded its model


def main(descriptor: int) -> None:
    """Do tasks that come through a socket, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of ctrl-c, which the process that started this one answers
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    keep_freed_memory()
    connection: Connection[Any, Any] = Connection(descriptor)
    order: WorkOrder = connection.recv()
    settings = validated(order.settings)
    cv2.setNumThreads(settings.fleet.threads)  # its default is all cores, whatever OMP_NUM_THREADS says
    try:
        job: Job = JOBS[order.verb](settings)
        job.load()
    except I2PError as error:
        connection.send(TaskOutcome(Ending.FATAL, "worker.start", str(error)))
        return
    connection.send(READY)
    while True:
        try:
            task: FleetTask = connection.recv()
        except EOFError:
            return
        outcome, is_lost = _done(task, job, settings)
        connection.send(outcome)
        if is_lost:
            return


def _done(task: FleetTask, job: Job, settings: Settings) -> tuple[TaskOutcome, bool]:
    """The outcome of a task, and whether the device is lost, so that this process can do no other."""
    begun = time.perf_counter()
    try:
        return _worked(task, job, settings, begun), False
    except InputError as error:
        return TaskOutcome(Ending.REFUSED, error.reason, str(error), seconds=time.perf_counter() - begun), False
    except MemoryError:
        return TaskOutcome(Ending.FAILED, "task.memory", "the machine has no memory left for this recording"), False
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        return TaskOutcome(Ending.FAILED, "task.error", reason), isinstance(error, DeviceError)


def _worked(task: FleetTask, job: Job, settings: Settings, begun: float) -> TaskOutcome:
    """The result for the first URI of a task whose content is still the one that the index was made of.

    Raises InputError `index.stale` if there is none.
    """
    stale, fresh = list[str](), None
    for uri in task.uris:
        recording = recording_at(uri)
        if content_hash(recording) != task.recording_id:
            stale.append(uri)
        elif fresh is None:
            fresh = recording
    if fresh is None:
        raise InputError(f"{task.uris[0]} has changed since the index was made: run `i2p index` again", "index.stale")
    with local_copy(fresh, Path(settings.fleet.cache_dir).expanduser()) as path:
        try:
            rows, pictures = job.work(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), fresh.uri), error.reason) from error
    return TaskOutcome(Ending.DONE, "", "", rows, pictures, tuple(stale), time.perf_counter() - begun)


def _end_with_standard_input() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(1)  # without cleaning up, which might wait for what this thread interrupts


if __name__ == "__main__":
    main(int(sys.argv[1]))

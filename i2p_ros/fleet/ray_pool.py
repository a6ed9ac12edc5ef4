# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pool of Ray actors, on this machine or on a cluster. Each has one worker process, which loads the model once."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from i2p_ros import __version__
from i2p_ros.core.errors import InputError, one_line
from i2p_ros.fleet.pools import Ended
from i2p_ros.fleet.tasks import Ending, FleetTask, TaskOutcome, WorkOrder
from i2p_ros.fleet.worker_process import WorkerProcess

STORE = 128 << 20  # bytes of shared memory, on this machine: results are small
MOST_SECONDS_TO_START = 300.0
PROBE_SECONDS = 10.0
TOKEN_ADVICE = " (a cluster with token authentication needs RAY_AUTH_MODE=token here too)"
MOST_DEATHS = 20  # of actors in a row, without a task that ends


class FleetActor:
    """The actor: a worker process, and a thread that waits for it."""

    def __init__(self, order: WorkOrder) -> None:
        self._worker = WorkerProcess(order)

    def version(self) -> str:
        """Version of i2p_ros on the machine of the actor."""
        return __version__

    def run(self, task: FleetTask) -> TaskOutcome:
        """The outcome of a task."""
        self._worker.begin(task)
        while True:
            outcome = self._worker.outcome(timeout=60.0)
            if outcome is not None:
                return outcome


class RayPool:
    """So many actors. One that dies is replaced; its task ends as KILLED.

    With `address` the actors are on a running cluster, else on a Ray of this process, which ends with the pool.
    Raises InputError `ray` if Ray cannot be started or reached, or no actor starts.
    """

    def __init__(self, order: WorkOrder, workers: int | None, address: str = "") -> None:
        self._order, self._threads = order, int(order.settings["fleet"]["threads"])
        # short, because paths of sockets may have 107 bytes
        self._files = TemporaryDirectory("", "i2p_ray_", os.environ.get("RAY_TMPDIR", "/tmp"), True)
        _connect(address, (workers or 1) * self._threads, self._files.name)
        resources = ray.cluster_resources()
        count = workers or max(1, int(resources.get("CPU", 1.0)) // self._threads)
        wants_gpu = order.settings["device"] != "cpu"
        self._gpus = min(1.0, resources.get("GPU", 0.0) / count) if wants_gpu else 0.0  # Ray hides GPUs from others
        self._starting: dict[Any, Any] = {}  # actors by the reference to their version
        self._busy: dict[Any, tuple[Any, FleetTask]] = {}
        self._idle: list[Any] = []
        self._deaths, self._since = 0, time.monotonic()
        for _ in range(count):
            self._start()

    @property
    def free(self) -> int:
        """Number of actors that have started and have no task."""
        return len(self._idle)

    def begin(self, task: FleetTask) -> None:
        """Give an idle actor a task."""
        actor = self._idle.pop()
        self._busy[actor.run.remote(task)] = actor, task

    def ended(self, timeout: float) -> Ended:
        """Tasks that have ended. Actors that have started become free, and dead ones are replaced."""
        waited = [*self._starting, *self._busy]
        ready, _ = ray.wait(waited, num_returns=1, timeout=timeout) if waited else ([], [])
        found: Ended = []
        for reference in ready:
            if reference in self._starting:
                self._started(reference)
            else:
                found += self._finished(reference)
        if not (self._idle or self._busy) and time.monotonic() - self._since > MOST_SECONDS_TO_START:
            raise InputError(
                f"no Ray worker has started in {MOST_SECONDS_TO_START:g} s: the cluster has no CPU free", "ray"
            )
        return found

    def close(self) -> None:
        """End all actors, and Ray if it is of this process."""
        for actor in [*self._starting.values(), *self._idle, *(actor for actor, _ in self._busy.values())]:
            with suppress(RayError, ValueError):
                ray.kill(actor)
        ray.shutdown()
        self._files.cleanup()

    def _start(self) -> None:
        options = {"num_cpus": self._threads, "num_gpus": self._gpus, "max_restarts": 0, "max_task_retries": 0}
        kind: Any = ray.remote(FleetActor).options(**options)
        actor = kind.remote(self._order)
        self._starting[actor.version.remote()] = actor
        self._since = time.monotonic()

    def _started(self, reference: Any) -> None:
        """Make an actor free. Raises InputError `ray` if it cannot do tasks."""
        actor = self._starting.pop(reference)
        try:
            version = ray.get(reference)
        except RayTaskError as error:
            raise InputError(f"a Ray worker cannot start: {one_line(error.cause or error)}", "ray") from error
        except RayError as error:
            self._replace(actor, error)
            return
        if version != __version__:
            raise InputError(f"a Ray worker has i2p_ros {version}, and this is {__version__}", "ray")
        self._idle.append(actor)

    def _finished(self, reference: Any) -> Ended:
        actor, task = self._busy.pop(reference)
        try:
            outcome: TaskOutcome = ray.get(reference)
        except RayTaskError as error:
            outcome = TaskOutcome(Ending.FAILED, "task.error", one_line(error.cause or error))
        except RayError as error:  # its actor, its node or its result is lost
            self._replace(actor, error)
            return [(task, TaskOutcome(Ending.KILLED, "worker.killed", "the Ray worker was killed"))]
        self._idle.append(actor)
        self._deaths = 0
        return [(task, outcome)]

    def _replace(self, actor: Any, error: RayError) -> None:
        """Start another actor in place of one that is dead or cannot be reached."""
        with suppress(RayError, ValueError):
            ray.kill(actor)
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise InputError(f"Ray workers die one after the other: {one_line(error)}", "ray") from error
        self._start()


def _connect(address: str, cpus: int, folder: str) -> None:
    """Start Ray on this machine, with its files in a folder, or connect to a cluster. Raises InputError `ray`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve workers beside any other process
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own: dict[str, Any] = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": STORE,
        "_temp_dir": folder,
    }
    before = signal.getsignal(signal.SIGTERM)
    try:
        _probe(address)
        ray.init(address, **options) if address else ray.init("local", **options, **own)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        where = f"reach Ray at {address}{TOKEN_ADVICE}" if address else "start Ray"
        raise InputError(f"cannot {where}: {one_line(error)}", "ray") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # which Ray replaces


def _probe(address: str) -> None:
    """Connect to a port: Ray itself tries for minutes if nobody listens there. Raises OSError."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), PROBE_SECONDS).close()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What does the tasks of a fleet: one process of this machine, or a pool of Ray actors."""

from __future__ import annotations

from typing import Protocol

from i2p_ros.fleet.tasks import FleetTask, TaskOutcome, WorkOrder
from i2p_ros.fleet.worker_process import WorkerProcess

Ended = list[tuple[FleetTask, TaskOutcome]]


class Pool(Protocol):
    """Workers that do tasks."""

    @property
    def free(self) -> int:
        """Number of tasks that can be begun now."""
        ...

    def begin(self, task: FleetTask) -> None:
        """Give a free worker a task."""
        ...

    def ended(self, timeout: float) -> Ended:
        """Tasks that have ended, with their outcomes, after at most `timeout`, s. Raises InputError if none can."""
        ...

    def close(self) -> None:
        """End all workers, whatever they do."""
        ...


class LocalPool:
    """One worker process on this machine, without Ray."""

    def __init__(self, order: WorkOrder) -> None:
        self._worker = WorkerProcess(order)
        self._task: FleetTask | None = None

    @property
    def free(self) -> int:
        """1, or 0 while there is a task."""
        return int(self._task is None)

    def begin(self, task: FleetTask) -> None:
        """Give the worker a task."""
        self._worker.begin(task)
        self._task = task

    def ended(self, timeout: float) -> Ended:
        """The task, if it has ended."""
        if self._task is None:
            return []
        outcome = self._worker.outcome(timeout)
        if outcome is None:
            return []
        task, self._task = self._task, None
        return [(task, outcome)]

    def close(self) -> None:
        """End the worker."""
        self._worker.stop()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run of one verb on the recordings of an index. It resumes where the last one ended."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError, ModelError
from i2p_ros.core.progress import Progress
from i2p_ros.fleet.lock import locked
from i2p_ros.fleet.pools import LocalPool, Pool
from i2p_ros.fleet.recordings import local_copy, recording_at
from i2p_ros.fleet.results import RecordingPlace, Results, RunManifest
from i2p_ros.fleet.storage import Storage, is_of_this_process
from i2p_ros.fleet.tables import Row
from i2p_ros.fleet.tasks import Ending, FleetTask, Limits, TaskOutcome, Verb, WorkOrder, check_settings, settings_id

MOST_TRIES = 2  # of a task that fails
MOST_KILLS = 5  # of the worker of one task, from outside
WAIT = 0.5  # s


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What to run, and on what. Without an address of Ray, one worker is a process of this machine without Ray, and
    several are a Ray of this run. `workers` 0: as many as the cluster has CPUs for."""

    verb: Verb
    settings: Settings
    limits: Limits
    workers: int = 1
    address: str = ""
    retries_quarantined: bool = False


@dataclass(slots=True)
class FleetSummary:
    """Counts of recordings: finished before and now, quarantined before and now, left over, and the rows of tables."""

    recordings: int = 0
    finished_before: int = 0
    quarantined_before: int = 0
    finished: int = 0
    quarantined: int = 0
    left: int = 0
    rows: dict[str, int] | None = None  # none if the tables had all results already
    is_interrupted: bool = False
    seconds: float = 0.0
    note: str = ""


def run_fleet(index: Sequence[Row], out: Storage, plan: FleetPlan, progress: Progress | None = None) -> FleetSummary:
    """Do the tasks of an index that are not done yet, and write the tables. Ctrl-C ends the tasks, not the tables.

    Raises InputError `fleet.locked` if another run writes into the output, `output` if it cannot be written, `ray`
    without workers, and ModelError or SettingsError if no task can be done.
    """
    check_settings(plan.settings)
    begun = time.perf_counter()
    with locked(out) as note:
        run = _FleetRun(index, Results(out), plan, progress)
        try:
            run.work()
        except KeyboardInterrupt:
            run.summary.is_interrupted = True
        run.assemble()
        return replace(run.summary, note=note, seconds=time.perf_counter() - begun)


def manifest(index: Sequence[Row], plan: FleetPlan) -> RunManifest:
    """What the tables will have of this run."""
    places = [RecordingPlace(row["recording_id"], row["uri"], row["vehicle"]) for row in index if row["recording_id"]]
    places.sort(key=lambda place: (place.recording_id, place.vehicle, place.uri))
    unreadable = tuple(_unreadable(row, plan.verb) for row in index if not row["recording_id"])
    return RunManifest(plan.verb, settings_id(plan.verb, plan.settings), tuple(places), unreadable)


class _FleetRun:
    """The state of a run: what is to do, and how often it was tried."""

    def __init__(self, index: Sequence[Row], results: Results, plan: FleetPlan, progress: Progress | None) -> None:
        self._results, self._plan, self._progress = results, plan, progress
        self._run = manifest(index, plan)
        uris: dict[str, list[str]] = {}
        for place in self._run.places:
            uris.setdefault(place.recording_id, []).append(place.uri)
        done, failed = results.finished(self._run) & {*uris}, results.quarantined(self._run) & {*uris}
        failed -= done
        skipped = done | (set() if plan.retries_quarantined else failed)
        self._queue = deque(FleetTask(plan.verb, key, tuple(uris[key])) for key in uris if key not in skipped)
        self._all = len(self._queue)
        self._fails, self._kills = Counter[str](), Counter[str]()
        self._copies: dict[str, tuple[FleetTask, Path]] = {}  # original tasks and folders, of recordings in memory
        self.summary = FleetSummary(
            len(uris) + len(self._run.unreadable), len(done), len(skipped - done) + len(self._run.unreadable),
            left=self._all,
        )  # fmt: skip

    def work(self) -> None:
        """Do all tasks."""
        if not self._queue:
            return
        pool = _pool(self._plan)
        try:
            running = 0
            while self._queue or running:
                while self._queue and pool.free:
                    task = self._queue.popleft()
                    running += self._begin(pool, task)
                for task, outcome in pool.ended(WAIT):
                    running -= 1
                    self._settle(self._original(task), outcome)
        finally:
            pool.close()
            for _, folder in self._copies.values():
                shutil.rmtree(folder, ignore_errors=True)

    def assemble(self) -> None:
        """Write the tables, unless they have all results."""
        if not self._results.is_assembled(self._run):
            self.summary.rows = self._results.assemble(self._run)

    def _begin(self, pool: Pool, task: FleetTask) -> int:
        """Begin a task; a recording in the memory of this process is copied for the worker. The result is 1, or 0 if
        it cannot be copied."""
        try:
            pool.begin(self._readable(task))
        except InputError as error:
            self._settle(task, TaskOutcome(Ending.REFUSED, error.reason, str(error)))
            return 0
        return 1

    def _readable(self, task: FleetTask) -> FleetTask:
        """A task whose URIs other processes can read."""
        if not is_of_this_process(task.uris[0]):
            return task
        cache = Path(self._plan.settings.fleet.cache_dir).expanduser()
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="memory_", dir=cache))
        self._copies[task.recording_id] = task, folder
        with local_copy(recording_at(task.uris[0]), cache) as path:
            path.rename(folder / path.name)
        return replace(task, uris=(str(folder / path.name),))

    def _original(self, task: FleetTask) -> FleetTask:
        """The task that a worker was given a copy of. The copy is removed."""
        if task.recording_id not in self._copies:
            return task
        original, folder = self._copies.pop(task.recording_id)
        shutil.rmtree(folder, ignore_errors=True)
        return original

    def _settle(self, task: FleetTask, outcome: TaskOutcome) -> None:
        """Write the result of a task, put it into quarantine, or try it again."""
        key = task.recording_id
        if outcome.ending is Ending.FATAL:
            raise ModelError(outcome.reason)
        self._fails[key] += outcome.ending is Ending.FAILED
        self._kills[key] += outcome.ending is Ending.KILLED
        if outcome.ending is Ending.DONE:
            self._results.add(self._run, task, outcome)
            self.summary.finished += 1
        elif outcome.ending is Ending.REFUSED or self._fails[key] >= MOST_TRIES or self._kills[key] >= MOST_KILLS:
            attempts = self._fails[key] + self._kills[key] + (outcome.ending is Ending.REFUSED)
            self._results.add_failure(self._run, task, outcome, attempts)
            self.summary.quarantined += 1
        else:
            self._queue.append(task)
            return
        self.summary.left -= 1
        if self._progress:
            self._progress(self._all - self.summary.left, self._all)


def _pool(plan: FleetPlan) -> Pool:
    """The workers of a plan. Raises MissingPackageError if these need Ray and it is not installed."""
    settings = plan.settings.model_dump()
    threads = plan.settings.fleet.threads
    order = WorkOrder(plan.verb, settings | {"threads": threads, "branches": min(2, threads)}, plan.limits)
    if plan.workers == 1 and not plan.address:
        return LocalPool(order)
    from i2p_ros.fleet.ray_pool import RayPool

    return RayPool(order, plan.workers or None, plan.address)


def _unreadable(row: Row, verb: Verb) -> Row:
    """A row of quarantine for a recording that has no hash, by the finding of the index."""
    finding = next(iter(row["findings"] or []), {"code": "uri", "text": "it cannot be read"})
    return {
        "recording_id": "", "uri": row["uri"], "vehicle": row["vehicle"], "task": verb, "code": finding["code"],
        "reason": finding["text"], "attempts": 0, "time": None,
    }  # fmt: skip

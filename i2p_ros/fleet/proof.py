# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proof of a fleet on simulated lakes: the same tables with one and two workers and after kills, and the speed."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.progress import Progress
from i2p_ros.fleet.index import made_index, read_index, write_index
from i2p_ros.fleet.simulated import QUICK, write_lake
from i2p_ros.fleet.tables import parquet, read_table

PARTS = 5  # of the proof: lake, index, one worker, two workers, kills
UNSTEADY = ("seconds", "time")  # columns of verdicts and quarantine that no two runs share
DEFINITIONS = {
    "alarms": "recordings with the level alarm, of those that drift; and of the others",
    "equal_bytes": "whether tables and pictures are equal to the last byte but for times and seconds",
    "speed_up": "time with one worker without Ray, divided by that with several, each after its workers have started",
    "kills": "how often a worker or the driver was killed by SIGKILL at a random time, until all was finished",
}


def proof(
    folder: Path, recordings: int, drifting: int, kills: int, seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Numbers by name, as DEFINITIONS says, of a lake of new recordings in a folder."""
    settings, generator = load_settings(overrides=QUICK), random.Random(seed)
    bad = set(generator.sample(range(recordings), drifting))
    write_lake(folder / "lake", recordings, bad, vehicles=8, seeds=4)
    progress(1, PARTS)
    index_seconds, again_seconds = _indexed(folder, settings), _indexed(folder, settings)
    progress(2, PARTS)
    one = _timed(folder, "one", 1)
    progress(3, PARTS)
    two = _timed(folder, "two", 2)
    progress(4, PARTS)
    killed = _killed(folder, "killed", kills, two, generator)
    whole = steady_bytes(folder / "one")
    verdicts = read_table((folder / "one/verdicts.parquet").read_bytes(), "verdicts", str(folder))[0]
    alarms = {int(row["uri"][-4:]) for row in verdicts if row["level"] == "alarm"}
    return {
        "recordings": recordings, "index_seconds": index_seconds, "index_again_seconds": again_seconds,
        "alarms": {"drifting": len(alarms & bad), "of": drifting, "others": len(alarms - bad)},
        "seconds": {"one": one, "two": two}, "speed_up": one / two, "kills": killed,
        "equal_bytes": {name: steady_bytes(folder / name) == whole for name in ("two", "killed")},
    }  # fmt: skip


def steady_bytes(out: Path) -> dict[str, bytes]:
    """Content of the tables and pictures of an output that must not depend on the run, by name."""
    from pyarrow import parquet as files

    found = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("pictures/*/*"))}
    for path in sorted(out.glob("*.parquet")):
        content = path.read_bytes()
        if path.stem in ("verdicts", "quarantine"):
            table = files.read_table(io.BytesIO(content))
            content = parquet(table.drop_columns([name for name in UNSTEADY if name in table.column_names]))
        found[path.name] = content
    return found


def command(folder: Path, name: str, workers: int) -> list[str]:
    """The words of a run in a process of its own."""
    words = [sys.executable, "-m", "i2p_ros", "fleet", "monitor", str(folder / "index.parquet")]
    settings = [word for setting in QUICK for word in ("--set", setting)]
    return [*words, "--out", str(folder / name), "--workers", str(workers), *settings]


def _indexed(folder: Path, settings: Settings) -> float:
    """Seconds of an index."""
    begun = time.perf_counter()
    target = str(folder / "index.parquet")
    write_index(target, made_index(str(folder / "lake"), settings, read_index(target, settings)).rows, settings)
    return time.perf_counter() - begun


def _timed(folder: Path, name: str, workers: int) -> float:
    """Seconds of a run from its first result to the last."""
    subprocess.run(command(folder, name, workers), check=True, capture_output=True)
    times = [path.stat().st_mtime_ns for path in (folder / name / "parts").iterdir()]
    return (max(times) - min(times)) * 1e-9


def _killed(folder: Path, name: str, kills: int, seconds: float, generator: random.Random) -> dict[str, int]:
    """Run with two workers, kill one of them or the driver at random times, and finish."""
    done = {"driver": 0, "worker": 0}
    while sum(done.values()) < kills:
        process = subprocess.Popen(command(folder, name, 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and sum(done.values()) < kills:
            time.sleep(generator.uniform(0.0, max(1.0, 4.0 * seconds / kills)))
            workers = _workers(process.pid)
            if workers and generator.random() < 0.5:
                generator.choice(workers).kill()
                done["worker"] += 1
            elif workers and process.poll() is None:
                process.kill()
                done["driver"] += 1
        finished = process.wait() == 0
        if finished and sum(done.values()) < kills:
            break  # the rest of the kills would have nothing to disturb
    ended = subprocess.run(command(folder, name, 2), check=False, capture_output=True, text=True)
    if ended.returncode:
        raise InputError(f"the run after {done} kills failed: {ended.stderr[-300:]}", "fleet.proof")
    return done


def _workers(driver: int) -> list[Any]:
    """The worker processes of a driver."""
    import psutil

    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(driver).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "i2p_ros.fleet.worker" in " ".join(child.cmdline()):
                    found.append(child)
    return found

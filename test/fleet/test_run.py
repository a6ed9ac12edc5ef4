# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run with one worker and without Ray: what it finishes, resumes, refuses and puts into quarantine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import fsspec
import polars
import psutil
import pytest
from helpers.lake import indexed, plan, rows

from i2p_ros.core.errors import InputError
from i2p_ros.fleet.index import read_index
from i2p_ros.fleet.lock import NAME
from i2p_ros.fleet.proof import steady_bytes
from i2p_ros.fleet.run import FleetSummary, run_fleet
from i2p_ros.fleet.simulated import write_lake
from i2p_ros.fleet.storage import Storage

ALARMS = {"drive_0001", "drive_0004", "drive_0007", "drive_0010"}


@pytest.fixture(scope="module")
def whole(lake: Path) -> Path:
    """The output of an undisturbed run."""
    out = lake / "whole"
    summary = run(lake, out)
    assert (summary.finished, summary.quarantined, summary.left) == (12, 0, 0)
    return out


def run(lake: Path, out: Path, **options: object) -> FleetSummary:
    return run_fleet(read_index(str(lake / "index.parquet")), Storage(str(out)), plan(**options))


def copied(whole: Path, tmp_path: Path) -> Path:
    """An own copy of an output."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


def when(is_so: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """A thread that acts as soon as something is so."""

    def wait() -> None:
        until = time.monotonic() + 120
        while not is_so() and time.monotonic() < until:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def workers() -> list[psutil.Process]:
    """Worker processes of this test."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "i2p_ros.fleet.worker" in process.cmdline()]


def test_the_tables_tell_which_vehicles_drift(whole: Path) -> None:
    verdicts = rows(whole, "verdicts")
    assert len(verdicts) == 12 and {Path(row["uri"]).name for row in verdicts if row["level"] == "alarm"} == ALARMS
    assert {row["vehicle"] for row in verdicts if row["level"] == "alarm"} == {"bus1"}
    for row in verdicts:
        assert (
            row["end"] - row["start"] == 5 * 10**9 and (row["pairs"], row["windows"]) == (6, 2) and row["seconds"] > 0
        )
    windows = rows(whole, "windows")
    assert len(windows) == 24 and [*windows] == sorted(windows, key=lambda row: (row["recording_id"], row["time"]))
    assert rows(whole, "pairs") == rows(whole, "quarantine") == []


def test_pictures_are_small_and_of_all_windows_only_where_there_is_a_drift(whole: Path) -> None:
    bad = {row["recording_id"] for row in rows(whole, "verdicts") if row["level"] == "alarm"}
    shown = [row for row in rows(whole, "windows") if row["picture"]]
    assert len([row for row in shown if row["recording_id"] in bad]) == 8
    assert len([row for row in shown if row["recording_id"] not in bad]) == 8
    for row in shown:
        content = (whole / row["picture"]).read_bytes()
        assert content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) <= 40_000


def test_polars_and_duckdb_read_the_tables(whole: Path) -> None:
    frame = polars.read_parquet(whole / "verdicts.parquet")
    assert frame["start"].dtype == polars.Datetime("ns", "UTC")
    assert frame.group_by("level").len().sort("level").rows() == [("alarm", 4), ("ok", 8)]
    query = f"""
        select v.vehicle, count(*), max(abs(w.rx)) from '{whole}/windows.parquet' w
        join '{whole}/verdicts.parquet' v using (recording_id) group by 1 order by 1
    """
    found = duckdb.sql(query).fetchall()
    assert [(vehicle, count) for vehicle, count, _ in found] == [("bus0", 8), ("bus1", 8), ("bus2", 8)]
    assert found[1][2] > 5 * found[0][2]


def test_a_finished_run_does_nothing_again(lake: Path, whole: Path, tmp_path: Path) -> None:
    out = copied(whole, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    summary = run(lake, out)
    assert (summary.finished_before, summary.finished, summary.rows) == (12, 0, None)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def test_other_settings_and_lost_results_are_worked_on_again(lake: Path, whole: Path, tmp_path: Path) -> None:
    out = copied(whole, tmp_path)
    for part in sorted((out / "parts").iterdir())[:3]:
        part.unlink()
    assert run(lake, out).finished == 3 and steady_bytes(out) == steady_bytes(whole)
    some = read_index(str(lake / "index.parquet"))[:2]
    summary = run_fleet(some, Storage(str(out)), plan(more=["watch.tolerance_deg=9"]))
    assert (summary.recordings, summary.finished) == (2, 2) and len(rows(out, "verdicts")) == 2


def test_tables_are_made_where_a_run_was_killed_before_it_wrote_them(lake: Path, whole: Path, tmp_path: Path) -> None:
    out = copied(whole, tmp_path)
    (out / "windows.parquet").unlink()
    assert run(lake, out).rows == {"verdicts": 12, "windows": 24, "pairs": 0, "calibrations": 0, "quarantine": 0}
    assert steady_bytes(out) == steady_bytes(whole)


def test_a_killed_worker_loses_nothing(lake: Path, whole: Path, tmp_path: Path) -> None:
    killed = list[int]()

    def kill() -> None:
        for process in workers():
            process.send_signal(signal.SIGKILL)
            killed.append(process.pid)

    threads = [when(lambda n=n: len([*tmp_path.glob("out/parts/*.json")]) >= n, kill) for n in (2, 6)]
    summary = run(lake, tmp_path / "out")
    for thread in threads:
        thread.join()
    assert len({*killed}) == 2 and (summary.finished, summary.quarantined) == (12, 0)
    assert steady_bytes(tmp_path / "out") == steady_bytes(whole)


def test_broken_recordings_end_in_quarantine_and_stop_nothing(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 2, ())
    (tmp_path / "lake/empty.mcap").write_bytes(b"")
    (tmp_path / "lake/text.bag").write_bytes(b"no bag at all")
    whole = next((tmp_path / "lake/bus0/drive_0000").glob("*.mcap")).read_bytes()
    (tmp_path / "lake/bus9").mkdir()
    (tmp_path / "lake/bus9/cut.mcap").write_bytes(whole[:5000])
    summary = run_fleet(indexed(tmp_path / "lake"), Storage(str(tmp_path / "out")), plan())
    assert (summary.finished, summary.quarantined) == (2, 3)
    found = rows(tmp_path / "out", "quarantine")
    assert {Path(row["uri"]).name for row in found} == {"empty.mcap", "text.bag", "cut.mcap"}
    for row in found:
        assert row["code"].startswith("bag.") and row["uri"] in row["reason"] and "\n" not in row["reason"]
        assert row["attempts"] == 1 and row["task"] == "monitor" and row["time"] > 0
    assert [row["vehicle"] for row in found if row["uri"].endswith("cut.mcap")] == ["bus9"]


def test_a_recording_without_a_hash_is_in_quarantine_with_its_vehicle(lake: Path, tmp_path: Path) -> None:
    (row, *_) = read_index(str(lake / "index.parquet"))
    finding = {"level": "error", "code": "uri", "text": "it cannot be read", "cure": ""}
    gone = row | {"recording_id": "", "vehicle": "bus7", "findings": [finding]}
    assert run_fleet([gone], Storage(str(tmp_path / "out")), plan()).finished == 0
    assert [(row["vehicle"], row["code"]) for row in rows(tmp_path / "out", "quarantine")] == [("bus7", "uri")]


@pytest.mark.parametrize(
    ("limits", "code"), [({"seconds": 0.05}, "task.timeout"), ({"gb": 0.05}, "task.memory")], ids=["time", "memory"]
)
def test_a_task_beyond_a_limit_is_tried_twice_and_then_in_quarantine(
    lake: Path, tmp_path: Path, limits: dict[str, float], code: str
) -> None:
    some = read_index(str(lake / "index.parquet"))[:1]
    out = Storage(str(tmp_path / "out"))
    assert run_fleet(some, out, plan(**limits)).quarantined == 1
    (row,) = rows(tmp_path / "out", "quarantine")
    assert (row["code"], row["attempts"]) == (code, 2) and not workers()
    again = run_fleet(some, out, plan())
    assert (again.finished, again.quarantined_before) == (0, 1)
    retried = run_fleet(some, out, plan(retries_quarantined=True))
    assert retried.finished == 1 and rows(tmp_path / "out", "quarantine") == []


def test_a_recording_that_changed_since_the_index_is_stale(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 3, ())
    index = indexed(tmp_path / "lake")
    with (tmp_path / "lake/bus0/drive_0000/drive_0000.mcap").open("ab") as file:
        file.write(b"more")
    shutil.rmtree(tmp_path / "lake/bus1/drive_0001")
    run_fleet(index, Storage(str(tmp_path / "out")), plan())
    found = {row["uri"][-10:]: row["code"] for row in rows(tmp_path / "out", "quarantine")}
    assert found == {"drive_0000": "index.stale", "drive_0001": "index.stale"}
    assert [row["uri"][-10:] for row in rows(tmp_path / "out", "verdicts")] == ["drive_0002"]


def test_copies_of_a_recording_are_one_task_with_a_verdict_each(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 1, ())
    for vehicle in ("bus8", "bus9"):
        shutil.copytree(tmp_path / "lake/bus0/drive_0000", tmp_path / f"lake/{vehicle}/copy")
    index = indexed(tmp_path / "lake")
    with (tmp_path / "lake/bus9/copy/drive_0000.mcap").open("ab") as file:
        file.write(b"more")
    assert run_fleet(index, Storage(str(tmp_path / "out")), plan()).finished == 1
    assert [row["vehicle"] for row in rows(tmp_path / "out", "verdicts")] == ["bus0", "bus8"]
    assert [row["vehicle"] for row in rows(tmp_path / "out", "windows")] == ["bus0", "bus0", "bus8", "bus8"]
    refused = rows(tmp_path / "out", "quarantine")
    assert [(row["uri"][-9:], row["vehicle"], row["code"]) for row in refused] == [("bus9/copy", "bus9", "index.stale")]


def test_a_second_run_on_an_output_is_refused_and_a_dead_one_is_replaced(
    lake: Path, whole: Path, tmp_path: Path
) -> None:
    out = copied(whole, tmp_path)
    mine = {"host": os.uname().nodename, "pid": os.getpid(), "start": "2099-01-01T00:00:00+00:00"}
    (out / NAME).write_text(json.dumps(mine))
    with pytest.raises(InputError, match=rf"in use by process {os.getpid()}") as caught:
        run(lake, out)
    assert caught.value.reason == "fleet.locked" and (out / NAME).exists()
    (out / NAME).write_text(json.dumps(mine | {"host": "elsewhere"}))
    with pytest.raises(InputError, match=rf"on elsewhere .*remove {NAME}"):
        run(lake, out)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (out / NAME).write_text(json.dumps(mine | {"pid": int(dead.stdout)}))
    assert "which is dead, was taken over" in run(lake, out).note and not (out / NAME).exists()


def test_recordings_and_results_may_lie_in_memory(tmp_path: Path) -> None:
    write_lake(tmp_path / "lake", 2, (1,))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "lake"), "/run_test/lake", recursive=True)
    cache = f"fleet.cache_dir={tmp_path / 'cache'}"
    index = indexed("memory://run_test/lake", cache)
    assert run_fleet(index, Storage("memory://run_test/out"), plan(more=[cache])).finished == 2
    memory.get("/run_test/out", str(tmp_path / "out"), recursive=True)
    assert sorted(row["level"] for row in rows(tmp_path / "out", "verdicts")) == ["alarm", "ok"]
    assert not [*(tmp_path / "cache").iterdir()]
    local = run_fleet(indexed(tmp_path / "lake"), Storage(str(tmp_path / "local")), plan())
    assert local.finished == 2
    assert (tmp_path / "local/windows.parquet").read_bytes() == (tmp_path / "out/windows.parquet").read_bytes()
    memory.rm("/run_test", recursive=True)


def test_a_history_is_refused(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"monitor\.history"):
        run(lake, tmp_path / "out", more=["monitor.history=h.db"])


def test_pairs_are_localized_at_even_steps_with_their_errors(lake: Path, tmp_path: Path) -> None:
    some = read_index(str(lake / "index.parquet"))[:1]
    summary = run_fleet(some, Storage(str(tmp_path / "out")), plan("localize", ["fleet.pairs=2"]))
    assert (summary.finished, summary.rows and summary.rows["pairs"]) == (1, 2)
    found = rows(tmp_path / "out", "pairs")
    assert [row["time"] - some[0]["start"] for row in found] == [10**9, 4 * 10**9]
    for row in found:
        assert (row["status"] == "ok") == (row["T"] is not None) == (row["error_m"] is not None)
    (verdict,) = rows(tmp_path / "out", "verdicts")
    assert verdict["task"] == "localize" and "of 2 pairs localized" in verdict["text"] and verdict["tx"] is None

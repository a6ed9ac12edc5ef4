# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The history, written by real processes that are killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TESTS
from helpers.history import RIG, drift, verdict

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.monitor import history as module
from i2p_ros.monitor.history import Epoch, History, MonitoredRig
from i2p_ros.monitor.sequential_test import Reference
from i2p_ros.monitor.verdict import Course

KILLS = int(os.environ.get("I2P_KILLS", "4"))  # the long form has 50
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from helpers.history import RIG, drift, verdict
from i2p_ros.monitor.history import History
history = History(Path(sys.argv[1]))
for k in range(int(sys.argv[2]), 10**9):
    history.record(RIG, drift(k), verdict(k))
    print(k, flush=True)
"""


def test_what_was_recorded_survives_kills(tmp_path: Path) -> None:
    file, told = tmp_path / "history.db", -1
    rng = np.random.default_rng(0)
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(file), str(told + 1), str(TESTS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(int(rng.integers(1, 60))):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        with sqlite3.connect(file) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stamps = [row["stamp"] for row in History(file).rows()]
        assert stamps == list(range(len(stamps))) and stamps[-1] in (told, told + 1)
        told = stamps[-1]


def test_rows_come_back_by_vehicle_and_time(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    for rig, k in ((RIG, 2), (MonitoredRig("bus", "front", "roof", 1), 3), (RIG, 1)):
        history.record(rig, drift(k), verdict(k))
    assert [(r["vehicle"], r["stamp"]) for r in history.rows()] == [("car", 1), ("car", 2), ("bus", 3)]
    assert [r["estimate"]["delta"][0] for r in history.rows("bus")] == [3e-6]
    assert next(history.rows())["verdict"]["half"] == [None] * 6
    assert history.forget(RIG, before=4) == 2 and [r["vehicle"] for r in history.rows()] == ["bus"]


def test_a_locked_history_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.1)
    history = History(tmp_path / "h.db")
    other = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="locked"):
        history.record(RIG, drift(0), verdict(0))
    other.execute("ROLLBACK")
    history.record(RIG, drift(0), verdict(0))


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    """Full by SQLite's own limit, which gives the error of a full disk (SQLITE_FULL)."""
    history = History(tmp_path / "h.db")
    history._db.execute(f"PRAGMA max_page_count={history._db.execute('PRAGMA page_count').fetchone()[0] + 4}")
    kept = 0
    with pytest.raises(InputError, match="full"):
        for kept in range(1000):
            history.record(RIG, drift(kept), verdict(kept))
    history._db.execute("PRAGMA max_page_count=1000000")
    history.record(RIG, drift(kept), verdict(kept))
    assert [row["stamp"] for row in History(tmp_path / "h.db").rows()] == list(range(kept + 1)) and kept > 1


def test_epochs_keep_what_drift_is_counted_from(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    assert history.latest(RIG) is None
    first = history.begin(RIG, Epoch(Pose.identity()), 5)
    second = history.begin(first, Epoch(Pose.exp(np.full(6, 0.1)), Reference(np.arange(6.0), np.eye(6))), 9)
    other = history.begin(MonitoredRig("bus", "front", "roof"), Epoch(Pose.identity()), 1)
    assert (first.epoch, second.epoch, other.epoch) == (0, 1, 0)
    known = History(tmp_path / "h.db").latest(RIG)
    assert known is not None and known[0] == second and known[1].reference is not None
    assert np.allclose(known[1].nominal.matrix, Pose.exp(np.full(6, 0.1)).matrix)
    assert np.allclose(known[1].reference.delta, np.arange(6.0))
    history.record(second, drift(3), verdict(3))
    drifts, baseline, onset = history.newest(second, 10)
    assert (
        [d.stamp for d in drifts] == [3]
        and np.allclose(drifts[0].delta, drift(3).delta)
        and not baseline.any()
        and onset is None
    )
    assert history.newest(first, 10)[0] == []


def test_a_history_that_is_only_read_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unable to open"):
        History(tmp_path / "none.db", read_only=True)
    assert not (tmp_path / "none.db").exists()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="not a database"):
        History(tmp_path / "h.db")


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "places.sqlite"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE place (url TEXT)")
    before = file.read_bytes()
    for read_only in (True, False):
        with pytest.raises(InputError, match="something else"):
            History(file, read_only)
    assert file.read_bytes() == before


def test_the_same_finding_is_one_record(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    for k in (1, 2, 1, 2, 3):
        history.record(RIG, drift(k), verdict(k))
    assert [row["stamp"] for row in history.rows()] == [1, 2, 3]


def test_how_and_since_when_it_moved_is_known_after_a_restart(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.record(RIG, drift(9), replace(verdict(9), moved=("rx",), course=Course.STEP, since=4))
    assert history.newest(RIG, 10)[2] == (Course.STEP, 4)


@pytest.mark.parametrize(
    ("old", "new"), [("knock", Course.STEP), ("creep", Course.RAMP), ("undecided", Course.UNDECIDED)]
)
def test_a_history_of_an_earlier_version_is_read_with_the_present_words(tmp_path: Path, old: str, new: Course) -> None:
    history = History(tmp_path / "h.db")
    history.record(RIG, drift(9), replace(verdict(9), moved=("rx",), course=Course.UNDECIDED, since=4))
    with sqlite3.connect(tmp_path / "h.db") as db:
        db.execute("UPDATE record SET verdict = replace(verdict, 'undecided', ?)", (old,))
    assert history.newest(RIG, 10)[2] == (new, 4)
    assert [row["verdict"]["course"] for row in history.rows()] == [new.value]


def test_a_damaged_record_is_one_clear_error(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db")
    history.record(RIG, drift(1), verdict(1))
    with sqlite3.connect(tmp_path / "h.db") as db:
        db.execute("UPDATE record SET verdict = '{'")
    for read in (lambda: list(history.rows()), lambda: history.newest(RIG, 1)):
        with pytest.raises(InputError, match="cannot be used"):
            read()


def test_a_copy_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "h.db")
    history.record(RIG, drift(1), verdict(1))
    history.close()
    assert not (tmp_path / "h.db-wal").exists()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert len(list(History(tmp_path / "h.db", read_only=True).rows())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db"], "SQLite would have written beside it"

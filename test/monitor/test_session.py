# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The monitor on synthetic drives whose calibration is exact."""

import sqlite3
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from i2p_ros.core.config import Settings, load_settings
from i2p_ros.core.drifts import Level
from i2p_ros.core.errors import InputError, ModelError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.types import Pair
from i2p_ros.localizer import load_network_pose
from i2p_ros.monitor import history as module
from i2p_ros.monitor.history import History, MonitoredRig
from i2p_ros.monitor.sequential_test import Motion
from i2p_ros.monitor.session import Finding, Monitor
from i2p_ros.synthetic import SyntheticSource

RIG = MonitoredRig("car", "front", "roof")
SETTINGS = load_settings(
    (), ["monitor.window=3", "monitor.rate_hz=1", "watch.systematic_m=0", "watch.systematic_deg=0"]
)


@cache
def drive() -> tuple[tuple[Pair, ...], Pose]:
    settings = SETTINGS.synthetic.model_copy(update={"drive": True, "rate_hz": 1.0})
    samples = [SyntheticSource(settings, 5, 12)[i] for i in range(12)]
    assert samples[0].T_camera_lidar is not None
    return tuple(sample.pair for sample in samples), samples[0].T_camera_lidar


def found(monitor: Monitor, pairs: tuple[Pair, ...]) -> list[Finding]:
    return [finding for pair in pairs if (finding := monitor.add(pair)) is not None]


def test_windows_of_pairs_become_findings_and_a_drift_is_found() -> None:
    pairs, true = drive()
    drift = np.array([0.0, 0.0, 0.0, np.radians(0.6), 0.0, 0.0])
    findings = found(Monitor(true.retract(-drift), RIG, SETTINGS), pairs)
    assert len(findings) == 4 and [f.drift.stamp for f in findings] == [pairs[k].stamp for k in (2, 5, 8, 11)]
    last = findings[-1].verdict
    assert last.level is Level.ALARM and "rx" in last.moved and abs(last.drift[3] - drift[3]) < np.radians(0.1)
    assert found(Monitor(true, RIG, SETTINGS), pairs)[-1].verdict.moved == ()


def test_it_goes_on_where_another_ended_and_counts_from_what_was_accepted(tmp_path: Path) -> None:
    pairs, true = drive()
    file = tmp_path / "h.db"
    first = Monitor(true, RIG, SETTINGS, History(file))
    found(first, pairs[:6])
    second = Monitor(true, RIG, SETTINGS, History(file))
    assert second.rig.epoch == 0
    assert [d.stamp for d in second.test.kept] == [d.stamp for d in first.test.kept] and len(second.test.kept) == 2
    second.accept()
    third = Monitor(true, RIG, SETTINGS, History(file))
    assert third.rig.epoch == 1 and not third.test.kept
    assert third.test.reference is not None and second.test.reference is not None
    assert np.allclose(third.test.reference.delta, second.test.reference.delta)
    moved = Monitor(true.retract(np.full(6, 0.01)), RIG, SETTINGS, History(file))
    assert moved.rig.epoch == 2 and moved.test.reference is None
    assert [row["epoch"] for row in History(file).rows()] == [0, 0]


def test_a_clock_that_was_set_back_while_it_was_off_begins_anew(tmp_path: Path) -> None:
    pairs, true = drive()
    found(Monitor(true, RIG, SETTINGS, History(tmp_path / "h.db")), pairs[3:9])
    again = Monitor(true, RIG, SETTINGS, History(tmp_path / "h.db"))
    assert len(again.test.kept) == 2
    assert len(found(again, pairs[:6])) == 2 and len(again.test.kept) == 2


def test_what_cannot_be_accepted_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.1)
    pairs, true = drive()
    monitor = Monitor(true, RIG, SETTINGS, History(tmp_path / "h.db"))
    found(monitor, pairs[:3])
    other = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="locked"):
        monitor.accept()
    assert monitor.test.reference is None and len(monitor.test.kept) == 1 and monitor.rig.epoch == 0


def test_what_cannot_be_recorded_is_kept_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.1)
    pairs, true = drive()
    monitor = Monitor(true, RIG, SETTINGS, History(tmp_path / "h.db"))
    other = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert (
        len(found(monitor, pairs[:3])) == 1
        and "locked" in monitor.history_error
        and "1 findings wait" in monitor.history_error
    )
    other.execute("ROLLBACK")
    assert found(monitor, pairs[3:6]) and not monitor.history_error
    assert [row["stamp"] for row in History(tmp_path / "h.db").rows()] == [pairs[2].stamp, pairs[5].stamp]


def test_pairs_beyond_the_rate_and_of_the_same_sight_are_left_out() -> None:
    pairs, true = drive()
    settings = SETTINGS.model_copy(update={"monitor": SETTINGS.monitor.model_copy(update={"rate_hz": 0.5})})
    assert len(found(Monitor(true, RIG, settings), pairs)) == 2
    standing = tuple(Pair(pairs[0].image, p.camera, p.cloud, p.stamp) for p in pairs)
    monitor = Monitor(true, RIG, SETTINGS)
    assert not found(monitor, standing) and monitor.finish() is None


def test_the_rest_of_a_recording_is_a_window_if_it_is_long_enough() -> None:
    pairs, true = drive()
    monitor = Monitor(true, RIG, SETTINGS)
    found(monitor, pairs[:5])
    rest = monitor.finish()
    assert rest is not None and rest.drift.frames == 2 and monitor.finish() is None


def test_images_of_another_size_begin_another_window() -> None:
    pairs, true = drive()
    small = [
        Pair(cv2.resize(p.image, None, fx=0.5, fy=0.5), p.camera.resized(p.camera.width // 2, p.camera.height // 2),
             p.cloud, p.stamp)
        for p in pairs[2:5]
    ]  # fmt: skip
    findings = found(Monitor(true, RIG, SETTINGS), (*pairs[:2], *small))
    assert [f.drift.frames for f in findings] == [3] and findings[0].drift.stamp == pairs[4].stamp


def test_gates_and_time_that_jumps_back() -> None:
    pairs, true = drive()
    monitor = Monitor(true, RIG, SETTINGS)
    for pair in pairs[:3]:
        finding = monitor.add(pair, Motion(speed=99.0))
    assert finding is not None and finding.verdict.level is Level.UNSURE and "too fast" in finding.verdict.reasons[0]
    found(monitor, pairs[3:6])
    assert len(monitor.test.kept) == 1
    assert monitor.add(pairs[0]) is None and not monitor.test.kept


def test_a_reset_that_is_requested_during_a_reset_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, true = drive()
    monitor = Monitor(true, RIG, SETTINGS)
    monitor.add(pairs[0])
    assert not monitor.wants(pairs[0].stamp)
    with monkeypatch.context() as patched:
        patched.setattr(monitor.test, "forget", monitor.reset_before_next)  # as another thread may
        monitor.reset_before_next()
        monitor.add(pairs[1])
    assert monitor.wants(pairs[1].stamp)
    monitor.add(pairs[2])
    assert not monitor.wants(pairs[2].stamp)


def test_a_step_beyond_the_grid_is_found_from_the_pose_of_the_network() -> None:
    pairs, true = drive()
    drift = np.array([0.4, -0.3, 0.4, *np.radians([-5.0, 7.0, -5.0])])
    nominal = true.retract(-drift)
    wanted = nominal.local(true)
    windows = {
        name: found(Monitor(nominal, RIG, SETTINGS, network_pose=look), pairs[:6])
        for name, look in (("with", load_network_pose(SETTINGS)), ("without", None))
    }
    off = {name: np.abs([f.drift.delta - wanted for f in findings]) for name, findings in windows.items()}
    assert (off["with"][:, :3] < 0.03).all() and (off["with"][:, 3:] < np.radians(0.15)).all()
    assert off["without"][0, 3:].max() > np.radians(1.0)


def test_the_network_localizes_some_pairs_of_a_window_evenly_and_may_give_no_pose() -> None:
    pairs, true = drive()
    settings = load_settings((), ["monitor.window=6", "monitor.rate_hz=1", "monitor.network_pairs=2"])
    asked: list[int] = []

    def look(pair: Pair, nominal: Pose) -> None:
        assert nominal is true
        asked.append(pair.stamp)

    with_it, without = (found(Monitor(true, RIG, settings, network_pose=one), pairs) for one in (look, None))
    assert asked == [pairs[k].stamp for k in (0, 3, 6, 9)]
    assert np.array_equal(with_it[-1].drift.delta, without[-1].drift.delta)


def test_no_network_is_loaded_that_is_not_used() -> None:
    assert load_network_pose(load_settings((), ["monitor.network_pairs=0", "model=there-is-none"])) is None
    with pytest.raises(ModelError, match="there-is-none"):
        load_network_pose(load_settings((), ["model=there-is-none"]))


def test_defaults_are_those_of_the_settings() -> None:
    assert Monitor(Pose.identity(), RIG, Settings()).test.period_s == 5.0

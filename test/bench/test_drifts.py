# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The proof, proved: drifts are put in as said, and rows say what happened."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run

from i2p_ros.bench import drift_methods
from i2p_ros.bench import drifts as module
from i2p_ros.bench.drift_cases import DriftCase, DriftRun, cases
from i2p_ros.bench.drift_methods import Detection
from i2p_ros.bench.drift_rows import auc, row_of, summary
from i2p_ros.core.config import SyntheticSettings, load_settings
from i2p_ros.core.drifts import AXES
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.synthetic import SyntheticSource

KEYS = {
    "method", "source", "axis", "drift", "kind", "runs", "detected", "delay_s", "false_alarms", "error", "coverage95",
}  # fmt: skip
QUICK = ("monitor.rate_hz=1", "monitor.window=3", "watch.systematic_m=0", "watch.systematic_deg=0")


def drive(n: int) -> DriftRun:
    samples = [SyntheticSource(SyntheticSettings(drive=True, rate_hz=1.0), 5, n)[k] for k in range(n)]
    true = samples[0].T_camera_lidar
    assert true is not None
    return DriftRun([s.pair for s in samples], true, DriftCase("step", "rx", (0.01, 0.02, 0.03, 0.01, 0.02, 0.03)), 1.5)


def test_a_moved_camera_sees_each_point_at_the_same_pixel() -> None:
    run = drive(3)
    before, after = run.pairs[2], run.moved()[2]
    T_moved = run.true.retract(np.array(run.case.drift))
    here, _ = before.camera.project(run.true.apply(before.cloud.xyz))
    there, _ = after.camera.project(T_moved.apply(after.cloud.xyz))
    near = np.isfinite(here).all(axis=1) & np.isfinite(there).all(axis=1)
    assert np.median(np.abs(here - there)[near]) < 1e-3
    assert run.moved()[1] is run.pairs[1] and run.unmoved == 2


@pytest.mark.parametrize(
    ("kind", "expected"), [("step", [0, 1, 1]), ("ramp", [0, 0.25, 1]), ("loosening", [0, 0.5, 1]),
                           ("constant", [1, 1, 1]), ("none", [0, 0, 0])],
)  # fmt: skip
def test_courses_of_drifts(kind: str, expected: list[float]) -> None:
    case = DriftCase(kind, "tx", (1.0, 0, 0, 0, 0, 0))
    assert [case.at(since)[0] for since in (-1.0, 5.0, 24.0)] == expected


def test_every_axis_and_a_mix_is_drifted() -> None:
    found = cases(("step",), (0.2, 0.5), (3.0, 5.0))
    assert len(found) == 1 + 2 * 7 and {case.axis for case in found} == {"none", "mixed", *AXES}
    assert np.isclose(np.degrees(found[4].drift[3]), 0.2) and found[1].drift[0] == 0.03


def test_the_monitor_finds_what_was_put_in_and_a_quiet_run_has_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRIVE_S", 9.0)
    monkeypatch.setattr(module, "ONSET_S", (2.6, 2.9))
    settings = load_settings((), QUICK)
    wanted = [DriftCase("none", "none", (0.0,) * 6), DriftCase("step", "rx", (0, 0, 0, np.radians(0.6), 0, 0))]
    rows = summary(module.synthetic(5, wanted, ("i2p", "fixed_threshold", "edge_score"), settings))
    by = {(row["method"], row["kind"]): row for row in rows}
    assert len(rows) == 6 and all(row.keys() >= KEYS for row in rows)
    quiet, moved = by["i2p", "none"], by["i2p", "step"]
    assert (quiet["detected"], quiet["false_alarms"], quiet["delay_s"]) == (0, 0, None)
    assert (moved["detected"], moved["auc"], moved["drift"]) == (1, 1.0, 0.6) and moved["error"] < 0.1
    assert 0 < moved["delay_s"] < 7


def test_rows_are_counted_as_defined() -> None:
    run = drive(3)
    late = row_of("i2p", "s", run, Detection([31.0 + 1.5], 1.0))
    early = row_of("i2p", "s", run, Detection([1.0, 2.0], 3.0))
    good = row_of("i2p", "s", run, Detection([2.0], 2.0, run.truth + 0.01, np.full(6, 0.02)))
    assert [row["detected"] for row in (late, early, good)] == [False, False, True]
    assert [row["false_alarm"] for row in (late, early, good)] == [False, True, False]
    assert good["covered"] == 1.0 and np.isclose(good["error"], np.degrees(0.01)) and good["delay_s"] == 0.5
    (row,) = summary([late, early, good])
    assert (row["runs"], row["detected"], row["false_alarms"], row["delay_s"]) == (3, 1, 1, 0.5)
    assert auc([2.0, 3.0], [1.0, 2.0]) == 0.875


def test_the_command_writes_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part = module.PlanPart(1, tuple(module.NONE), ("fixed_threshold",))
    monkeypatch.setattr(module, "QUICK", (part,))
    monkeypatch.setattr(
        module, "many", lambda seeds, *rest: module.synthetic(seeds[0], part.cases, part.methods, rest[2])
    )
    monkeypatch.setattr(module, "DRIVE_S", 6.0)
    words = [word for setting in QUICK for word in ("--set", setting)]
    code, _, _ = run(capsys, "monitor", "bench", "--json", str(tmp_path / "b.json"), *words)
    (row,) = json.loads((tmp_path / "b.json").read_text())
    assert code == 0 and row.keys() >= KEYS and (row["runs"], row["kind"]) == (1, "none")


def test_poses_of_no_network_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_methods, "_LOADED", {})
    with pytest.raises(InputError, match=r"monitor\.network_pairs is 0"):
        drift_methods.single_shot(
            DriftRun((), Pose.identity(), module.NONE[0], 0.0), load_settings((), ["monitor.network_pairs=0"])
        )

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""--view of localize, monitor and calibrate: the commands run with the shipped model, and their recordings are read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.pair_files import written_pair
from helpers.rerun_files import rows_of

pytest.importorskip("rerun", reason="recordings need rerun-sdk: install the extra view")

from i2p_ros.cli.viewing import target_of
from i2p_ros.core.config import SyntheticSettings
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of twelve pairs, and the files of the first pair beside it."""
    folder = tmp_path_factory.mktemp("view")
    source = SyntheticSource(SyntheticSettings(drive=True, points=20000), 8, 12)  # of seed 8
    write_bag(source, folder / "drive")
    written_pair(folder, source[0].pair)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "i2p_ros", *command], cwd=folder, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def shown(rows: dict, entity: str) -> list[dict]:
    return [row for row in rows.get(entity, []) if row.get("Clear:is_recursive") is None]


LOCALIZE = ("localize", "--image", "a.png", "--cloud", "a.bin", "--camera", "cam.yaml")


def test_localize_records_what_it_says(drive: Path) -> None:
    done = run(drive, *LOCALIZE, "--view", "one.rrd", "--json", "one.json")
    assert done.returncode in (0, 3), done.stderr
    said, rows = json.loads((drive / "one.json").read_text()), rows_of(drive / "one.rrd")
    assert rows["status"][0]["TextLog:text"][0].startswith(said["status"])
    assert len(shown(rows, "lidar/camera")) == (done.returncode == 0) == len(shown(rows, "lidar/camera_position_95"))
    assert len(rows["image"]) == len(rows["lidar/points"]) == 1
    if said["T_camera_lidar"]:
        back = np.linalg.inv(said["T_camera_lidar"])[:3, 3]
        np.testing.assert_allclose(rows["lidar/camera"][0]["Transform3D:translation"][0], back, atol=1e-4)


def test_monitor_records_windows_and_localized_pairs(drive: Path) -> None:
    done = run(
        drive, "monitor", "drive", "--view", "drift.rrd", "--json", "drift.json",
        "--set", "monitor.window=4", "--set", "monitor.network_pairs=1", "--set", "monitor.rate_hz=10",
    )  # fmt: skip
    assert done.returncode in (0, 6, 7, 8), done.stderr
    (result,), rows = json.loads((drive / "drift.json").read_text()), rows_of(drive / "drift.rrd")
    windows = len(result["windows"])
    assert windows and len(shown(rows, "lidar/drifted_camera_position_95")) == windows == len(rows["verdict"])
    assert len(shown(rows, "lidar/matches")) + len(shown(rows, "image/matches")) > 0
    assert len(shown(rows, "lidar/nominal_camera")) == len(rows["image"]) >= windows
    drift = 100 * result["windows"][-1]["verdict"]["drift"][0]
    assert rows["drift/tx_cm"][-1]["Scalars:scalars"][0] == pytest.approx(drift)
    assert {row["pair"] for row in rows["image"]} <= set(range(12))


def test_calibrate_records_its_pairs_and_the_result(drive: Path) -> None:
    done = run(drive, "calibrate", "drive", "--view", "calib.rrd", "--json", "calib.json", "--pairs", "6")
    assert done.returncode in (0, 6), done.stderr
    (result,), rows = json.loads((drive / "calib.json").read_text()), rows_of(drive / "calib.rrd")
    assert result["agreeing"] and len({row["pair"] for row in rows["image"]}) <= 6
    assert shown(rows, "image/matches") and shown(rows, "lidar/camera")
    if result["T_camera_lidar"]:
        where = rows["lidar/calibrated_camera"][0]
        back = np.linalg.inv(result["T_camera_lidar"])[:3, 3]
        np.testing.assert_allclose(where["Transform3D:translation"][0], back, atol=1e-4)
        assert "pair" not in where or where["pair"] is None  # at all times
        assert rows["lidar/calibrated_camera_position_95"] and rows["lidar/stated_camera"]


@pytest.mark.parametrize("command", [LOCALIZE, ("monitor", "drive"), ("calibrate", "drive"), ("replay", "drive")])
def test_other_targets_are_refused_before_the_work(drive: Path, command: tuple[str, ...]) -> None:
    done = run(drive, *command, "--view", "a.mcap")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and ".rrd, or 'open'" in done.stderr


def test_a_missing_package_is_named_before_the_work(drive: Path) -> None:
    code = "import sys; sys.modules['rerun'] = None; from i2p_ros.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *LOCALIZE, "--view", "no.rrd"], cwd=drive, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "pip install '.[view]' in the clone" in done.stderr
    assert not (drive / "no.rrd").exists()


def test_each_of_several_parts_has_a_recording() -> None:
    assert target_of("out/a.rrd", "0052 image_02", alone=True) == "out/a.rrd"
    assert target_of("out/a.rrd", "0052 image_02/x", alone=False) == "out/a-0052-image_02-x.rrd"
    assert target_of("open", "0052", alone=False) == "open"

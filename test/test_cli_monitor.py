# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p monitor` on recordings that the tests write: exit codes, reports, exports, one line for bad input."""

import csv
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from test_cli import run

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Sample
from i2p_ros.sources.bag_writer import STORE
from i2p_ros.sources.synthetic import SyntheticSource
from i2p_ros.sources.writers import write_bag

DRIFT = np.array([0.0, 0.0, 0.0, np.radians(0.6), 0.0, 0.0])
QUICK = [
    word
    for setting in ("monitor.window=3", "monitor.rate_hz=1", "watch.systematic_m=0", "watch.systematic_deg=0")
    for word in ("--set", setting)
]


class Drive:
    """A made-up drive of six pairs whose calibration says something else than is true."""

    name = "drive"

    def __init__(self, off: Array, n: int = 6) -> None:
        self.off, self.n = off, n
        self.source = SyntheticSource(SyntheticSettings(drive=True, rate_hz=1.0), 5, n)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        assert sample.T_camera_lidar is not None
        return Sample(sample.pair, sample.T_camera_lidar.retract(-self.off), sample.T_world_lidar)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bags")
    paths = {"true": folder / "true", "moved": folder / "moved"}
    write_bag(Drive(np.zeros(6)), paths["true"])
    write_bag(Drive(DRIFT), paths["moved"])
    return paths


def without_transforms(bag: Path, copy: Path) -> None:
    with AnyReader([bag]) as reader, Writer(copy, version=9) as writer:
        kept = [c for c in reader.connections if c.topic != "/tf_static"]
        topics = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in kept}
        for connection, stamp, raw in reader.messages(kept):
            writer.write(topics[connection.id], stamp, raw)


def monitor(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    return run(capsys, "monitor", *map(str, words))


def test_exit_codes_tell_the_worst_verdict_and_results_are_not_made_again(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    words = (bags["true"], bags["moved"], "--report", folder, *QUICK, "--json", "-")
    code, out, _ = monitor(capsys, *words)
    good, bad = json.loads(out)
    assert code == 8 and (good["level"], bad["level"]) == ("ok", "alarm")
    assert "rx" in bad["verdict"]["moved"] and abs(bad["verdict"]["drift"][3] - DRIFT[3]) < np.radians(0.1)
    assert np.abs(
        Pose.from_matrix(good["T_camera_lidar"]).local(Pose.from_matrix(bad["T_camera_lidar_estimated"]))[3:]
    ).max() < np.radians(0.15)
    page = (folder / "report.html").read_text()
    assert "{%" not in page and ".card {" in page, "the page has no style"
    assert "ALARM" in page and "rx moved by" in page and "http" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/png") == 2 and page.count("data:image/jpeg") == 6
    kept = sorted(folder.glob("*.json"))
    assert len(kept) == 2
    kept[0].write_text(kept[0].read_text().replace('"pairs": 6', '"pairs": 777'))
    again = json.loads(monitor(capsys, *words)[1])
    assert 777 in [result["pairs"] for result in again]
    changed = json.loads(monitor(capsys, *words, "--set", "watch.tolerance_deg=9")[1])
    assert [result["pairs"] for result in changed] == [6, 6] and changed[1]["level"] == "warn"


def test_drift_is_counted_from_an_accepted_recording(capsys: pytest.CaptureFixture[str], bags: dict[str, Path]) -> None:
    code, out, _ = monitor(capsys, bags["moved"], "--accept", bags["moved"], *QUICK, "--json", "-")
    assert code in (0, 6) and json.loads(out)[0]["accepted"] is not None


def test_the_history_is_shown_and_exported(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "h.db"
    assert monitor(capsys, bags["moved"], *QUICK, "--set", f"monitor.history={file}")[0] == 8
    code, out, _ = monitor(capsys, "history", file, "--json", "-")
    rows = json.loads(out)
    assert code == 0 and [row["verdict"]["level"] for row in rows][-1] == "alarm" and len(rows) == 2
    assert "alarm" in monitor(capsys, "history", file)[1]
    assert not json.loads(monitor(capsys, "history", file, "--vehicle", "other", "--json", "-")[1])
    for ending in ("csv", "parquet", "mcap"):
        if ending == "parquet":
            parquet = pytest.importorskip("pyarrow.parquet")
        code, _, err = monitor(capsys, "history", file, "--export", tmp_path / f"all.{ending}")
        assert code == 0 and "2 records" in err
    with (tmp_path / "all.csv").open() as text:
        table = list(csv.DictReader(text))
    assert float(table[1]["drift_rx"]) == rows[1]["verdict"]["drift"][3] and table[1]["moved_rx"] == "True"
    assert parquet.read_table(tmp_path / "all.parquet")["drift_rx"].to_pylist()[1] == float(table[1]["drift_rx"])
    with AnyReader([tmp_path / "all.mcap"]) as reader:
        read = [(c.topic, stamp, reader.deserialize(raw, c.msgtype)) for c, stamp, raw in reader.messages()]
    assert [stamp for _, stamp, _ in read] == [row["stamp"] for row in rows for _ in range(2)]
    drift = [message for topic, _, message in read if topic.endswith("/drift")][-1]
    assert abs(2.0 * drift.pose.pose.orientation.x - rows[1]["verdict"]["drift"][3]) < 1e-4


def test_bad_input_is_one_clear_line(capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path) -> None:
    without_transforms(bags["true"], tmp_path / "bare")
    (tmp_path / "locked.db").touch()
    other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cases = {
        "no calibration that joins": [tmp_path / "bare"],
        "does not exist": [tmp_path / "nothing.mcap"],
        "cannot read the calibration": [bags["true"], "--nominal", tmp_path / "no.yaml"],
        "unable to open": ["history", tmp_path / "no.db"],
        "is exported as .csv, .parquet, .mcap": ["history", tmp_path / "new.db", "--export", tmp_path / "a.xls"],
        "locked": [bags["true"], *QUICK, "--set", f"monitor.history={tmp_path / 'locked.db'}"],
    }
    sqlite3.connect(tmp_path / "new.db").execute(
        "CREATE TABLE record (vehicle, camera, lidar, epoch, stamp, id, estimate, verdict)"
    )
    for why, words in cases.items():
        code, _, err = monitor(capsys, *words)
        assert code == 1 and why in err and "Traceback" not in err, (why, err)
        assert err.strip().count("\n") == 0, err


def test_a_disk_that_is_full_is_one_clear_line(capsys: pytest.CaptureFixture[str], bags: dict[str, Path]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    code, _, err = monitor(capsys, bags["true"], *QUICK, "--set", "monitor.history=/dev/full/h.db")
    assert code == 1 and "the history /dev/full/h.db cannot be used" in err


def test_every_command_helps_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["check", "--help"], ["history", "--help"]):
        code, out, _ = monitor(capsys, *words)
        assert code == 0 and "Example: i2p monitor" in " ".join(out.split())

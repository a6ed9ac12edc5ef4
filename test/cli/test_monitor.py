# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p monitor` on recordings that the tests write: exit codes, reports, exports, one line for bad input."""

import csv
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.cli import run
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer

from i2p_ros.core.config import SyntheticSettings, load_settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.source import Source
from i2p_ros.core.types import Sample
from i2p_ros.evaluation.history_export import COLUMNS
from i2p_ros.evaluation.monitoring import monitored
from i2p_ros.monitor.history import History
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.bag import STORE, transforms
from i2p_ros.writers.writing import write_bag, write_kitti_raw

DRIFT = np.array([0.0, 0.0, 0.0, np.radians(0.6), 0.0, 0.0])
QUICK = [
    word
    for setting in (
        "monitor.window=3",
        "monitor.rate_hz=1",
        "monitor.network_pairs=0",
        "watch.systematic_m=0",
        "watch.systematic_deg=0",
    )
    for word in ("--set", setting)
]


class Drive(Source):
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


class _Two(Drive):
    """The drive with the true calibration, and again with the wrong one."""

    def __init__(self) -> None:
        super().__init__(np.zeros(6))

    def __getitem__(self, index: int) -> Sample:
        self.off = np.zeros(6) if index < 3 else DRIFT
        return super().__getitem__(index)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bags")
    paths = {"true": folder / "true", "moved": folder / "moved", "one": folder / "one"}
    write_bag(Drive(np.zeros(6)), paths["true"])
    write_bag(Drive(np.zeros(6), 1), paths["one"])
    write_bag(Drive(DRIFT), paths["moved"])
    return paths


def without_transforms(bag: Path, copy: Path) -> None:
    with AnyReader([bag]) as reader, Writer(copy, version=9) as writer:
        kept = [c for c in reader.connections if c.topic != "/tf_static"]
        topics = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in kept}
        for connection, stamp, raw in reader.messages(kept):
            writer.write(topics[connection.id], stamp, raw)


def calibration_text(T_camera_lidar: Pose, lidar: str, camera: str) -> str:
    pose = T_camera_lidar.inverse()
    numbers = {
        "translation": dict(zip("xyz", pose.translation.tolist(), strict=True)),
        "rotation": dict(zip("xyzw", pose.quaternion.tolist(), strict=True)),
    }
    return yaml.safe_dump({"frame_id": lidar, "child_frame_id": camera} | numbers)


def monitor(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    return run(capsys, "monitor", *map(str, words))


def test_exit_codes_tell_the_worst_verdict_and_results_are_not_made_again(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    words = (bags["true"], bags["moved"], "--report", folder, *QUICK, "--set", "monitor.network_pairs=1", "--json", "-")
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
    assert good["check"]["verdict"] == "usable", good["check"]
    assert [finding["code"] for finding in good["check"]["findings"]] == ["cloud.no_time"]
    assert "The recording" in page and "<code>cloud.no_time</code>" in page
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


def test_a_result_does_not_depend_on_what_the_history_holds(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    words = (bags["true"], *QUICK, "--set", f"monitor.history={tmp_path / 'h.db'}", "--json", "-")
    first, again = (monitor(capsys, *words) for _ in range(2))
    assert first[0] == again[0] == 0 and json.loads(first[1]) == json.loads(again[1])
    assert len(json.loads(monitor(capsys, "history", tmp_path / "h.db", "--json", "-")[1])) == 2


def test_an_empty_history_is_exported_with_the_same_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    History(tmp_path / "h.db").close()
    for ending in ("csv", "mcap"):
        assert monitor(capsys, "history", tmp_path / "h.db", "--export", tmp_path / f"all.{ending}")[0] == 0
    assert (tmp_path / "all.csv").read_text().strip().split(",") == list(COLUMNS)
    parquet = pytest.importorskip("pyarrow.parquet")
    assert monitor(capsys, "history", tmp_path / "h.db", "--export", tmp_path / "all.parquet")[0] == 0
    schema = parquet.read_table(tmp_path / "all.parquet").schema
    assert schema.names == list(COLUMNS) and str(schema.field("moved_rx").type) == "bool"


def test_one_recording_that_cannot_be_judged_does_not_keep_the_others_from_it(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "empty.mcap").touch()
    words = (tmp_path / "empty.mcap", bags["true"], "--report", tmp_path / "report", *QUICK)
    code, out, err = monitor(capsys, *words)
    assert code == 1 and "cannot read bag" in err and "true" in out and "OK" in out
    assert "Not judged: cannot read bag" in (tmp_path / "report" / "report.html").read_text()
    assert monitor(capsys, bags["moved"], *words)[0] == 8


def test_a_result_is_made_again_when_the_recording_or_the_nominal_calibration_is_another(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    bag, nominal = shutil.copytree(bags["true"], tmp_path / "bag"), tmp_path / "car.yaml"
    own = json.loads(monitor(capsys, bag, *QUICK, "--json", "-")[1])[0]
    lidar, camera = own["lidar"], own["camera"]
    for off in (0.0, 0.6):
        pose = Pose.from_matrix(own["T_camera_lidar"]).retract(-off / 0.6 * DRIFT)
        nominal.write_text(calibration_text(pose, lidar, camera))
        words = (bag, "--nominal", nominal, "--report", tmp_path / "report", *QUICK)
        assert monitor(capsys, *words)[0] == (8 if off else 0)
    for part in bag.iterdir():
        part.unlink()
    shutil.copytree(bags["one"], bag, dirs_exist_ok=True)
    for _ in range(2):
        code, out, _ = monitor(capsys, *words)
        assert code == 6 and "no window of pairs was complete" in " ".join(out.split())


def test_what_is_not_known_is_not_told_as_zero(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    code, out, _ = monitor(capsys, bags["true"], *QUICK, "--set", "watch.min_nats=1e9", "--json", "-")
    (result,) = json.loads(out)
    assert code == 6 and result["verdict"]["drift"] == [None] * 6 and result["T_camera_lidar_estimated"] is None
    words = (bags["true"], *QUICK, "--set", "watch.min_nats=1e9", "--report", tmp_path)
    told = " ".join(monitor(capsys, *words)[1].split())
    assert "0.00" not in told and "poor scene" in told
    assert "estimated calibration" not in (tmp_path / "report.html").read_text()


def test_what_a_recording_has_lost_is_told(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    whole = next(bags["true"].glob("*.mcap")).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) * 6 // 10])
    assert "lost: 1 (bag.cut_off)" in " ".join(monitor(capsys, tmp_path / "cut.mcap", *QUICK)[1].split())


def test_drives_and_cameras_of_a_folder_are_judged_each_on_its_own(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    write_kitti_raw(_Two(), tmp_path / "raw")
    code, out, _ = monitor(capsys, tmp_path / "raw", *QUICK, "--json", "-")
    assert code == 8 and [(r["level"], r["camera"], r["pairs"]) for r in json.loads(out)] == [
        ("ok", "image_02", 3), ("alarm", "image_02", 3)
    ]  # fmt: skip
    accept = ("--accept", tmp_path / "raw")
    assert "several drives or cameras" in monitor(capsys, bags["true"], *accept, *QUICK)[2]
    with pytest.raises(InputError, match="another than before"):
        monitored(_Two(), load_settings((), QUICK[1::2]))


def with_change(bag: Path, copy: Path, after: Pose, at: int) -> int:
    """The bag, in which the calibration changes before the image of an index. Returns the time, ns."""
    with AnyReader([bag]) as reader, Writer(copy, version=9) as writer:
        topics = {c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE) for c in reader.connections}
        tf = next(c for c in reader.connections if c.topic == "/tf_static")
        images = [stamp for c, stamp, _ in reader.messages() if c.topic == "/camera/image"]
        time = images[at] - 1000
        for connection, stamp, raw in reader.messages():
            if connection.topic == "/camera/image" and stamp == images[at]:
                message = transforms(time, after.inverse())
                writer.write(topics[tf.id], time, STORE.serialize_cdr(message, message.__msgtype__))
            writer.write(topics[connection.id], stamp, raw)
    return time


def test_a_static_transform_that_changes_is_a_change_of_the_nominal_and_no_drift_since_the_first_window(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    true = SyntheticSource(SyntheticSettings(drive=True, rate_hz=1.0), 5, 1)[0].T_camera_lidar
    assert true is not None
    with_change(bags["true"], tmp_path / "changed", true.retract(-DRIFT), 3)
    code, out, _ = monitor(capsys, tmp_path / "changed", *QUICK, "--json", "-")
    (result,) = json.loads(out)
    assert [window["verdict"]["level"] for window in result["windows"]] == ["ok", "alarm"] and code == 8
    assert any(
        "static transform lidar -> camera_optical_frame changed at t=3.000 s" in note for note in result["notes"]
    )
    assert any("nominal calibration changes by 0.003 m, 0.6 deg" in note for note in result["notes"])
    assert "since the first window" not in monitor(capsys, tmp_path / "changed", *QUICK)[1]
    small = true.retract(-0.01 * DRIFT)
    with_change(bags["true"], tmp_path / "corrected", small, 3)
    assert monitor(capsys, tmp_path / "corrected", *QUICK)[0] in (0, 6)  # one window may not observe every axis


def test_the_topics_of_a_bag_are_told_and_can_be_named(
    capsys: pytest.CaptureFixture[str], bags: dict[str, Path], tmp_path: Path
) -> None:
    names = ("--image", "/camera/image", "--points", "/points", "--camera-info", "/camera/camera_info")
    code, out, _ = monitor(capsys, bags["true"], *names, *QUICK, "--json", "-")
    (result,) = json.loads(out)
    assert code == 0
    assert result["notes"] == [
        "reads images of /camera/image, clouds of /points, camera_info of /camera/camera_info: K and D (no sign of "
        "rectified images)"
    ]
    code, _, err = monitor(capsys, bags["true"], "--image", "/nowhere", *QUICK)
    assert code == 1 and "no image topic /nowhere" in " ".join(err.split())
    words = ("--source", "rosbag", "--root", str(bags["true"]), "--n", "1")
    code, _, err = run(capsys, "evaluate", *words, "--points", "/points", "--json", str(tmp_path / "out.json"))
    assert code == 0 and "note: reads images of /camera/image" in " ".join(err.split())
    assert json.loads((tmp_path / "out.json").read_text())["notes"] == result["notes"]


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
    History(tmp_path / "new.db").close()
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

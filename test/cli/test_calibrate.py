# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`i2p calibrate` and `i2p check-calibration` on a bag that the test writes: files, reports, exit codes, bad input."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run
from helpers.rigs import Listed, drive

from i2p_ros.core.config import Settings
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.nominal import read_nominal
from i2p_ros.sources.opening import open_source
from i2p_ros.writers.calibration import write_calibration
from i2p_ros.writers.writing import write_bag, write_kitti_raw

SEED, PAIRS = 908, 8
QUICK = ["--set", "calibration.network_pairs=3", "--set", "calibration.max_points=3000", "--pairs", str(PAIRS)]
FILES = {
    "calib.json", "calibration.urdf", "calibration.yaml", "report.html", "result.json", "static_transform_publisher.sh"
}  # fmt: skip


OFF = np.array([0.0, 0.0, 0.0, 0.0, np.radians(1.0), 0.0])


def off(n: int) -> Listed:
    """The first pairs of the drive, as a recording that states a calibration which is off by OFF."""
    samples, true = drive(SEED, PAIRS)
    return Listed([replace(sample, T_camera_lidar=true.retract(OFF)) for sample in samples[:n]])


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate") / "bag"
    write_bag(off(PAIRS), folder)
    return folder


def test_a_bag_is_calibrated_and_all_formats_agree(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, numbers = tmp_path / "out", tmp_path / "numbers.json"
    code, text, error = run(capsys, "calibrate", str(bag), "--out", str(out), "--json", str(numbers), *QUICK)
    assert code == 0, error
    assert {path.name for path in out.iterdir()} == FILES
    (result,) = json.loads(numbers.read_text())
    assert result == json.loads((out / "result.json").read_text())
    found = np.array(result["T_camera_lidar"])
    camera, lidar = result["frames"]
    for name in ("calibration.yaml", "calibration.urdf", "calib.json"):
        assert np.allclose(read_nominal(out / name, camera, lidar).matrix, found, atol=1e-6), name
    error_m = np.abs(drive(SEED, PAIRS)[1].local(Pose.from_matrix(found)))
    assert (error_m < result["half"]).all()
    words = shlex.split((out / "static_transform_publisher.sh").read_text())
    numbers_of = {name: float(words[words.index(f"--{name}") + 1]) for name in ("x", "y", "z", "qx", "qy", "qz", "qw")}
    T_lidar_camera = Pose.from_quaternion([*numbers_of.values()][3:], [*numbers_of.values()][:3])
    assert np.allclose(T_lidar_camera.inverse().matrix, found, atol=1e-6)
    assert "static_transform_publisher --x" in text and "OK" in text
    page = (out / "report.html").read_text()
    assert (
        page.count("data:image/jpeg") == 3
        and "the recording states" in page
        and "http" not in re.sub(r"data:\S+", "", page)
    )
    assert all(f"<code>{axis}</code>" in page for axis in ("tx", "rz"))


def test_calib_json_has_the_camera_and_all_that_its_program_reads(bag: Path, tmp_path: Path) -> None:
    from i2p_ros.calibration.outputs import calib_json

    sample = open_source("auto", bag, settings=Settings())[0]
    assert sample.T_camera_lidar is not None
    camera = sample.pair.camera
    content = json.loads(json.dumps(calib_json(sample.T_camera_lidar, camera, "drive")))
    assert content["camera"]["camera_model"] == "plumb_bob" and len(content["camera"]["distortion_coeffs"]) == 5
    assert content["camera"]["intrinsics"] == [camera.fx, camera.fy, camera.cx, camera.cy]
    assert set(content["meta"]) >= {"bag_names", "data_path", "image_topic", "points_topic", "camera_info_topic"}
    assert len(content["results"]["T_lidar_camera"]) == len(content["results"]["init_T_lidar_camera"]) == 7


def test_the_own_calibration_of_a_bag_that_is_off_is_wrong_on_that_axis(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    words = ["check-calibration", "--data", str(bag), "--report", str(report), "--json", str(tmp_path / "a.json")]
    code, text, _ = run(capsys, *words, *QUICK[:-2])
    (check,) = json.loads((tmp_path / "a.json").read_text())
    assert code == 8 and "WRONG" in text and "ry" in check["wrong"]
    assert abs(check["error"][4] + OFF[4]) < check["half"][4]
    page = (report / "report.html").read_text()
    assert "ry is off by" in page and "initial calibration" in page


def test_a_file_is_judged_by_the_frames_of_the_bag_and_a_short_bag_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bag(off(3), tmp_path / "bag")
    camera, lidar = open_source("auto", tmp_path / "bag", settings=Settings()).frames
    files = write_calibration(tmp_path, drive(SEED, PAIRS)[1], np.zeros(6), 1, lidar, camera)
    for file in files[:2]:
        code, text, _ = run(capsys, "check-calibration", str(file), "--data", str(tmp_path / "bag"), "--json", "-")
        (check,) = json.loads(text)
        assert code == 6 and check["judgement"] == "cannot tell" and "too_few_pairs" in check["reasons"][0]
        assert np.allclose(check["T_camera_lidar_given"], drive(SEED, PAIRS)[1].matrix, atol=1e-6)
    words = ["check-calibration", str(files[1]), "--data", str(tmp_path / "bag"), "--camera-frame", "roof"]
    code, _, error = run(capsys, *words)
    assert code == 1 and "no way from" in error


@pytest.mark.parametrize(
    ("words", "why"),
    [(["calibrate", "nowhere.mcap"], "does not exist"), (["calibrate", "{bag}", "--init", "no.yaml"], "cannot read"),
     (["check-calibration", "no.yaml", "--data", "{bag}"], "cannot read the calibration no.yaml"),
     (["check-calibration", "--data", "{empty}"], "is empty"),
     (["calibrate", "{bag}", "--out", "{bag}/metadata.yaml/a"], "cannot write"),
     (["calibrate", "{bag}", "--pairs", "10", "--image", "/no"], "/no")],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_1(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    filled = [word.format(bag=bag, empty=tmp_path) for word in words]
    code, out, error = run(capsys, *filled)
    assert code == 1 and why in " ".join(error.split()) and not out and error.count("error:") == 1
    assert "Traceback" not in error


def test_a_rig_without_a_calibration_has_its_own_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bag(Listed(drive(SEED, PAIRS)[0][:3]), tmp_path / "bag")
    code, text, _ = run(capsys, "calibrate", str(tmp_path / "bag"), "--out", str(tmp_path / "out"))
    assert code == 6 and "TOO_FEW_PAIRS" in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "result.json"}
    assert json.loads((tmp_path / "out" / "result.json").read_text())["T_camera_lidar"] is None


def test_cameras_and_rigs_of_a_folder_are_told_apart(tmp_path: Path) -> None:
    from i2p_ros.calibration import rigs

    one, other = drive(SEED, PAIRS)[0][:2], drive(907, 12)[0][:2]
    write_kitti_raw(Listed([*one, *other]), tmp_path / "kitti")
    found = rigs([tmp_path / "kitti"], Settings())
    assert len(found) == 2 and [len(source) for rig in found for source in rig.sources] == [2, 2]
    assert not found[0].frames_in_tf and found[0].frames[0].startswith("image_")

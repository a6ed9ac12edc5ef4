# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No input makes a stack trace: each command, with each file that it takes missing, empty or broken."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import yaml
from helpers.cli import run

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag, write_kitti_raw

SMALL = SyntheticSettings(width=128, height=48, points=3000, drive=True)
PAIR = "localize --image {good}/a.png --cloud {good}/a.bin --camera {good}/cam.yaml"
TAKES = {  # commands by what they take, where {bad} is the bad input, of the given suffix
    "check": ("check {bad}", ".mcap"),
    "check db3": ("check {bad}", ".db3"),
    "check bag": ("check {bad}", ".bag"),
    "replay": ("replay {bad} --out {new}", ".mcap"),
    "localize image": (PAIR.replace("{good}/a.png", "{bad}"), ".png"),
    **{f"localize cloud {suffix}": (PAIR.replace("{good}/a.bin", "{bad}"), suffix)
       for suffix in (".bin", ".npy", ".pcd", ".ply", ".las", ".laz", ".txt")},
    **{f"localize camera {suffix}": (PAIR.replace("{good}/cam.yaml", "{bad}"), suffix)
       for suffix in (".yaml", ".xml", ".json", ".txt")},
    "localize model": (f"{PAIR} --model {{bad}}", ""),
    "evaluate model": ("evaluate {bad} --n 1", ""),
    **{f"evaluate {kind}": (f"evaluate --source {kind} --root {{bad}} --n 1", "")
       for kind in ("auto", "kitti", "frames", "7scenes", "rgbd-scenes-v2", "2d3d", "nuscenes", "rosbag")},
    **{f"evaluate list of {kind}{suffix}": (f"evaluate --source {kind} --root {{bad}} --n 1", suffix)
       for kind, suffix in (("7scenes", ".json"), ("7scenes", ".parquet"), ("2d3d", ".pkl"))},
    "pairs": ("pairs {bad}", ""),
    "calibrate": ("calibrate {bad}", ".mcap"),
    "calibrate init": ("calibrate {good}/drive.mcap --init {bad}", ".urdf"),
    "check-calibration": ("check-calibration --data {bad}", ".mcap"),
    **{f"check-calibration {suffix}": ("check-calibration {bad} --data {good}/drive.mcap", suffix)
       for suffix in (".urdf", ".yaml", ".json", ".txt", ".xacro")},
    "monitor": ("monitor {bad}", ".mcap"),
    "monitor nominal": ("monitor {good}/drive.mcap --nominal {bad}", ".yaml"),
    "monitor accept": ("monitor {good}/drive.mcap --accept {bad}", ".mcap"),
    "monitor report": ("monitor {bad} --report {new}", ".mcap"),
    "monitor history": ("monitor history {bad}", ".db"),
    "monitor bench kitti": ("monitor bench --kitti {bad}", ""),
    "calibrate-covariance root": ("calibrate-covariance --source auto --root {bad}", ""),
    "calibrate-covariance frames": ("calibrate-covariance --frames {bad}", ""),
    "calibrate-covariance model": ("calibrate-covariance {bad}", ""),
    "train kitti": ("train --out {new} --kitti {bad}", ""),
    "train frames": ("train --out {new} --kitti {good}/kitti --frames {bad}", ""),
    "train weights": ("train --out {new} --worlds 2 --weights {bad}", ".safetensors"),
    "export": ("export {bad} --out {new}", ""),
    "models show": ("models show {bad}", ""),
    "config": ("config --settings {bad}", ".yaml"),
    "fleet monitor": ("fleet monitor {bad} --out {new}", ".parquet"),
    "fleet calibrate": ("fleet calibrate {bad} --out {new}", ".parquet"),
    "fleet localize": ("fleet localize {bad} --out {new}", ".parquet"),
    "fleet report": ("fleet report {bad}", ""),
    "bench model": ("bench --model {bad}", ""),
    "bench calibrate kitti": ("bench calibrate --drives 0 --kitti {bad}", ""),
}  # fmt: skip


def _file(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "an empty folder": lambda path: path.mkdir(),
    "empty": lambda path: path.touch(),
    "unreadable": lambda path: path.symlink_to("/proc/self/mem"),  # for root too
    "noise": _file(random.Random(0).randbytes(4096)),
    "words": _file(b"lorem ipsum\n"),
    "broken yaml": _file(b"a: [1, 2\nb: {"),
    "a list": _file(b"[1, 2, 3]\n"),
    "a mapping": _file(b'{"a": 1}\n'),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bag, a KITTI folder and the files of one pair."""
    folder = tmp_path_factory.mktemp("good")
    source = SyntheticSource(SMALL, 1, 2)
    write_bag(source, folder / "bag")
    shutil.copy(next((folder / "bag").glob("*.mcap")), folder / "drive.mcap")
    write_kitti_raw(source, folder / "kitti")
    pair = source[0].pair
    cv2.imwrite(str(folder / "a.png"), pair.image[:, :, ::-1])
    shutil.copy(next((folder / "kitti").rglob("*.bin")), folder / "a.bin")
    camera = {"image_width": 128, "image_height": 48, "camera_matrix": {"data": pair.camera.matrix.ravel().tolist()}}
    (folder / "cam.yaml").write_text(yaml.safe_dump(camera))
    return folder


CASES = [(taken, bad) for taken in TAKES for bad in BAD if (taken, bad) != ("config", "empty")]  # which has defaults


@pytest.mark.parametrize(("taken", "bad"), CASES)
def test_bad_files(capsys: pytest.CaptureFixture[str], good: Path, tmp_path: Path, taken: str, bad: str) -> None:
    command, suffix = TAKES[taken]
    path = tmp_path / f"bad{suffix}"
    BAD[bad](path)
    words = [word.format(bad=path, good=good, new=tmp_path / "new") for word in command.split()]
    code, _, err = run(capsys, *words)
    assert code == 1
    if not command.startswith("check "):  # whose table says it
        assert err.startswith("error: ") and err.count("\n") == 1, err

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader of the README runs is run here: its i2p commands and its Python, on small data that the test makes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from helpers import ROOT

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag, write_kitti_raw

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("i2p ")]
DRIVE = SyntheticSettings(drive=True, points=20000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands take: a bag, a KITTI folder and the files of one pair."""
    pytest.importorskip("rclpy", reason="the commands need ROS: install the extra ros")
    folder = tmp_path_factory.mktemp("readme")
    source = SyntheticSource(DRIVE, 5, 3)
    write_bag(source, folder / "bag")
    shutil.copy(next((folder / "bag").glob("*.mcap")), folder / "drive.mcap")
    write_kitti_raw(source, folder / "kitti")
    pair, camera = source[0].pair, source[0].pair.camera
    cv2.imwrite(str(folder / "a.png"), pair.image[:, :, ::-1])
    shutil.copy(next((folder / "kitti").rglob("*.bin")), folder / "a.bin")
    k = camera.matrix.ravel().tolist()
    (folder / "cam.yaml").write_text(
        f"image_width: {camera.width}\nimage_height: {camera.height}\ncamera_matrix: {{data: {k}}}\n"
    )
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, folder: Path) -> None:
    done = run([sys.executable, "-m", "i2p_ros", *shlex.split(command)[1:]], folder)
    no_pose = command.startswith("i2p localize") and done.returncode == 3
    unsure = command.startswith("i2p monitor") and done.returncode == 6  # three pairs are too few
    limited = command.startswith("i2p check") and done.returncode == 6  # the same
    assert done.returncode == 0 or no_pose or unsure or limited, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", [block for kind, block in BLOCKS if kind == "python"])
def test_python(code: str, folder: Path) -> None:
    done = run([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr


def test_every_other_command_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    others = [line for line in LINES if not line.startswith("i2p ")]
    assert others == ["make demo", "make test"] and {"demo", "test"} <= targets


def test_launch_files_and_pictures_of_the_readme_exist() -> None:
    launched = re.findall(r"ros2 launch i2p_ros (\S+)", README)
    assert launched and all((ROOT / "launch" / name).exists() for name in launched)
    assert all((ROOT / path).exists() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a reader of the README and of the pages runs is run here, on small data that the test makes.

Also the size, the sentences, the badges and the tables of the README."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT
from helpers.pair_files import written_pair
from helpers.setup_arguments import setup_arguments

from i2p_ros.core.config import SyntheticSettings
from i2p_ros.ros.interface import INTERFACES
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_bag, write_kitti_raw

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)
PAGES = [
    page for page in sorted((ROOT / "docs").glob("*.md")) if re.search("^```(bash|python)", page.read_text(), re.M)
]
DRIVE = SyntheticSettings(drive=True, points=20000)
EXIT_CODES = {
    r"check drive": (0, 6),  # three pairs are too few
    r"monitor drive.*moved.urdf": (8,),
    r"monitor drive": (0, 6),  # the same
    r"check-calibration moved.urdf": (8,),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the commands take: a bag, a KITTI folder and the files of one pair."""
    pytest.importorskip("rclpy", reason="the commands need ROS: install the extra ros")
    source = SyntheticSource(DRIVE, 5, 3)
    write_bag(source, tmp_path / "bag")
    shutil.copy(next((tmp_path / "bag").glob("*.mcap")), tmp_path / "drive.mcap")
    write_kitti_raw(source, tmp_path / "kitti")
    written_pair(tmp_path, source[0].pair)
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


def run_line(line: str, folder: Path, expected: dict[str, tuple[int, ...]] = EXIT_CODES) -> None:
    """Run a line of a bash block. Its exit code must be 0, or one of those expected."""
    if not line.startswith("i2p "):
        done = run(["bash", "-euc", line], folder)
        assert done.returncode == 0, done.stderr
        return
    done = run([sys.executable, "-m", "i2p_ros", *shlex.split(line)[1:]], folder)
    codes = next((codes for start, codes in expected.items() if re.match(f"i2p {start}", line)), (0,))
    assert done.returncode in codes and "Traceback" not in done.stderr, f"{line}: {done.returncode}\n{done.stderr}"


def lines_of(text: str) -> list[str]:
    """The lines of all bash blocks that are commands."""
    return [line for kind, block in BLOCK.findall(text) if kind == "bash" for line in block.splitlines() if line]


def test_commands(folder: Path) -> None:
    for line in lines_of(README):
        if not line.startswith("make "):
            run_line(line, folder, EXIT_CODES | {"localize": (0, 3)})  # the sparse pair may have no pose


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page: Path, folder: Path) -> None:
    for kind, block in BLOCK.findall(page.read_text()):
        if kind == "yaml" and "camera_matrix" in block:
            (folder / "cam.yaml").write_text(block)
        elif kind == "python":
            done = run([sys.executable, "-c", block], folder)
            assert done.returncode == 0, done.stderr
        elif kind == "bash":
            for line in block.splitlines():
                run_line(line, folder)


def test_python(folder: Path) -> None:
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    assert len(code.splitlines()) <= 10
    done = run([sys.executable, "-c", code], folder)
    assert done.returncode == 0, done.stderr


def test_every_other_command_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    others = [line for line in lines_of(README) if not line.startswith("i2p ")]
    assert others == ["make demo", "make test"] and {"demo", "test", "docs", "setup"} <= targets


def test_launch_lines_name_files_and_arguments_that_there_are() -> None:
    lines = re.findall(r"^ros2 launch i2p_ros (\S+) (.*)$", README, re.MULTILINE)
    assert len(lines) == 3
    for name, arguments in lines:
        text = (ROOT / "launch" / name).read_text()
        shared = (ROOT / "i2p_ros" / "ros" / "launching.py").read_text()
        assert all(f'"{one}"' in text + shared for one in re.findall(r"(\w+):=", arguments)), name


def test_ways_to_install_are_those_that_are_tested() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (block,) = [block for kind, block in BLOCKS if not kind and "pip install" in block]
    pip, colcon, docker = (line.partition("#")[0].strip() for line in block.splitlines())
    assert pip == "pip install ." and colcon in dockerfile and docker in dockerfile


def test_the_table_of_topics_has_those_of_the_nodes() -> None:
    table = README[README.index("| topic or service") :].partition("\n\n")[0]
    ways = {name: way for line in table.splitlines()[2:] for way in [line.split("|")[2].strip()]
            for name in re.findall(r"`([^`]+)`", line.split("|")[1])}  # fmt: skip
    assert {*ways.items()} <= {(one.name, one.way) for one in INTERFACES}
    unlisted = {one.name for one in INTERFACES} - ways.keys()
    assert unlisted == {"/tf_static", "/initialpose"}


def test_links_and_pictures_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert local and all((ROOT / path).exists() for path in local)


def test_it_is_short_and_has_the_words_that_are_searched_for() -> None:
    assert len(README.splitlines()) <= 150
    for words in ("targetless camera-LiDAR calibration", "mutual information", "image-to-point-cloud registration",
                  "cross-modal localization"):  # fmt: skip
        assert words.lower() in README.lower()


def sentences(text: str) -> list[str]:
    """Sentences of the prose: without code blocks, tables, headings and pictures. A list item ends a sentence."""
    text = re.sub(r"<!--.*?-->", "", BLOCK.sub("", text))
    lines = [line for line in text.splitlines() if not re.match(r"\||#|!\[", line)]
    paragraphs = re.split(r"\n\s*\n|\n(?=- )", "\n".join(lines))
    return [one for each in paragraphs for one in re.split(r"(?<=[.:?!])\s+", " ".join(each.split())) if one]


def test_sentences_are_short() -> None:
    longest = max(sentences(README), key=lambda one: len(one.split()))
    assert len(longest.split()) <= 30, longest


def test_badges_are_true() -> None:
    badges = re.findall(r"!\[([^]]+)\]\(https://img", README)
    told = setup_arguments()
    least, below = re.findall(r"3\.(\d+)", told["python_requires"])
    models = (ROOT / "models" / "manifest.yaml").read_text()
    assert badges == [
        f"Python 3.{least} to 3.{int(below) - 1}", "ROS 2 Jazzy", f"Code: {told['license']}",
        "Weights: CC BY-NC-SA 3.0",
    ]  # fmt: skip
    assert "FROM ros:jazzy" in (ROOT / "Dockerfile").read_text() and "CC-BY-NC-SA-3.0" in models

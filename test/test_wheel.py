# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The source archive and the wheel, as `python -m build` makes them, installed in an environment of their own."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT
from helpers.pair_files import written_pair

from i2p_ros import Settings, __version__
from i2p_ros.synthetic import SyntheticSource

pytestmark = pytest.mark.slow
pytest.importorskip("build")


ENV = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}  # which would hide what is installed


def done(*words: object, cwd: Path) -> str:
    """What a command prints. It must succeed."""
    command = [*map(str, words)]
    ended = subprocess.run(command, cwd=cwd, env=ENV, capture_output=True, text=True, check=False, timeout=400)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a source archive and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    for name in done("git", "ls-files", cwd=ROOT).splitlines():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    done(
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--skip-dependency-check",
        "--outdir",
        folder,
        cwd=folder / "source",
    )
    return folder


def test_the_wheel_localizes_files_with_its_own_weights(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name.startswith(f"i2p_ros-{__version__}-py3-none-any")
    done(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env/bin/python"
    done(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    packages = Path(done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # those that are installed here
    found = done(python, "-c", "import i2p_ros; print(i2p_ros.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(packages)
    pair = SyntheticSource(Settings().synthetic, 7, 1)[0].pair
    written_pair(tmp_path, pair)
    i2p = tmp_path / "env/bin/i2p"
    words = ("--image", "a.png", "--cloud", "a.bin", "--camera", "cam.yaml", "--json", "out.json")
    done(i2p, "localize", *words, cwd=tmp_path)
    assert json.loads((tmp_path / "out.json").read_text())["status"] == "ok"
    assert done(i2p, "--version", cwd=tmp_path).split()[-1] == __version__


def test_the_source_archive_has_what_a_build_and_a_ros_workspace_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    tracked = set(done("git", "ls-files", cwd=ROOT).split("\n")) - {""}
    missing = {name for name in tracked - names if not name.startswith((".", "models/training/"))}
    assert not missing, sorted(missing)[:20]


def test_the_wheel_has_no_tests_and_all_of_the_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    own = {str(path.relative_to(ROOT)) for path in (ROOT / "i2p_ros").rglob("*") if path.is_file()}
    assert {name for name in own if "__pycache__" not in name} <= names
    assert not [name for name in names if name.startswith(("test/", "fuzz/", "pip_ros/"))]
    assert [name for name in names if name.endswith("share/i2p_ros/models/vp2p-small.safetensors")]


def test_each_file_has_a_licence() -> None:
    done(Path(sys.executable).with_name("reuse"), "lint", cwd=ROOT)

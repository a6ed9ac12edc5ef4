# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A dataset is added by one file and one row: then it is opened, recognised, evaluated, trained on, monitored."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.cli import run
from helpers.networks import TINY
from helpers.toy_dataset import ToySource, is_toy, write_toy

from i2p_ros.core.config import ReplaySettings, Settings, SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.evaluation.monitoring import Checker
from i2p_ros.families.vp2p.settings import SIZES
from i2p_ros.runtime.manifest import find_model
from i2p_ros.sources.kinds import KINDS, SourceKind
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.mixture import mixture

OWN_FILE = "test/helpers/toy_dataset.py"  # its Source, and how a folder is recognised
ROW = SourceKind(
    "toy", "toy folder",
    lambda request: ToySource(request.path, request.choices.get("drives"), request.choices.get("cameras")), is_toy,
    "DRIVE/CAMERA/000000.npz", choices=("cameras", "drives"), default_cameras=("left",),
)  # fmt: skip
TOUCHED = {"i2p_ros/sources/kinds.py": (KINDS, ROW)}  # file -> its table and the row that is added
NAMING = {  # files outside sources/ that may name a dataset or its cameras
    "cli/writing.py": "the formats of `i2p synth`",
    "inspection/bags.py": "bags, whose topics are looked at one by one",
    "writers/kitti.py": "the layout that is written",
}
SETTINGS = Settings(synthetic=SyntheticSettings(width=128, height=48, points=3000))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four samples in two drives, each of another camera."""
    for table, row in TOUCHED.values():
        monkeypatch.setitem(table, "toy", row)
    write_toy(tmp_path / "toy", SyntheticSource(SETTINGS.synthetic, 1, 4))
    return tmp_path / "toy"


def test_at_most_two_files_are_touched_beside_its_own() -> None:
    assert len(TOUCHED) <= 2 and all((ROOT / file).is_file() for file in (OWN_FILE, *TOUCHED))
    assert (ROOT / "test" / ToySource.__module__.replace(".", "/")).with_suffix(".py") == ROOT / OWN_FILE
    assert all("kitti" in table for table, _ in TOUCHED.values())


def test_nothing_outside_the_sources_names_a_dataset_or_its_cameras() -> None:
    names = {name for kind in KINDS.values() if kind.is_recorded for name in (kind.name, *kind.default_cameras)}
    names -= {"frames"}  # of tf, too
    naming = set()
    for path in (ROOT / "i2p_ros").rglob("*.py"):
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        if constants & names:
            naming.add(path.relative_to(ROOT / "i2p_ros").as_posix())
    assert {file for file in naming if not file.startswith("sources/")} == set(NAMING)


def test_it_is_opened_by_name_and_by_its_path(toy: Path) -> None:
    made = SyntheticSource(SETTINGS.synthetic, 1, 4)
    for kind in ("toy", "auto"):
        source = open_source(kind, toy, settings=SETTINGS)
        assert (len(source), source.drives, source.name) == (4, ("a", "b"), "toy a, b")
        assert source.frames == ("camera", "lidar") and not source.lost
        np.testing.assert_array_equal(source[1].pair.image, made[2].pair.image)
    first = open_source("auto", toy, settings=SETTINGS, drives=["b"], n=1)
    assert (first.drives, first.frames, first.lost.total(), len(first)) == (("b",), ("camera", "lidar"), 0, 1)
    right = open_source("auto", toy, settings=SETTINGS, cameras=["right"])
    assert [right[i].pair.name for i in range(len(right))] == ["a/right/000002", "b/right/000003"]


def test_errors_name_it(toy: Path, tmp_path: Path) -> None:
    others = [name for name in KINDS if name not in ("synthetic", "toy")]
    drives = [f"{kind.noun}s" for kind in KINDS.values() if "drives" in kind.choices]
    for kind, root, match in (
        ("waymo", toy, f"there are auto, synthetic, {', '.join(others)}, toy"),
        ("toy", None, "source 'toy' needs a root"),
        ("synthetic", toy, f"choose auto, {', '.join(others)} or toy"),
        ("auto", tmp_path / "absent", "expected a KITTI folder, .*a pair list, .*a bag, a toy folder"),
        ("auto", tmp_path, r"expected raw .*; or metadata.yaml .*; or DRIVE/CAMERA/000000.npz \(a toy folder\)"),
    ):
        with pytest.raises(InputError, match=match):
            open_source(kind, root, settings=SETTINGS)
    with pytest.raises(
        InputError, match="cameras are for KITTI folders or nuScenes folders or toy folders, not for source 'synthetic'"
    ):
        open_source("synthetic", settings=SETTINGS, cameras=["left"])
    with pytest.raises(InputError, match=f"drives are for {' or '.join(drives)}, not for source 'synthetic'"):
        open_source("synthetic", settings=SETTINGS, drives=["a"])


def test_cameras_are_refused_where_it_has_none(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", replace(ROW, choices=("drives",), default_cameras=()))
    with pytest.raises(InputError, match="cameras are for KITTI folders or nuScenes folders, not for source 'toy'"):
        open_source("toy", toy, settings=SETTINGS, cameras=["left"])
    assert [(part.drive, part.camera) for part in Checker(SETTINGS).parts(toy)] == [("a", ""), ("b", "")]


def test_it_is_evaluated(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--protocol", "prior", "--drives", "a", "--json", "-")
    for cameras, pairs in (("", 2), ("right", 1)):
        arguments = ("--source", "toy", "--root", str(toy), "--cameras", cameras)
        code, out, _ = run(capsys, "evaluate", *arguments, *words)
        report = json.loads(out)
        assert code == 0 and report["source"] == "toy a" and report["pairs"] == pairs and report["lost"] == {}


def test_it_is_trained_on(toy: Path, tmp_path: Path) -> None:
    mixed = mixture(SETTINGS, tmp_path / "cache", 0, 2, toy, ["b"], 0.25)
    (_, share), (recorded, toy_share) = mixed.sources
    assert (share, toy_share, mixed.drives) == (0.75, 0.25, ("b",)) and "toy b (2 pairs) 25%" in mixed.describe()
    for _ in ("made", "kept"):
        np.testing.assert_array_equal(recorded[0].pair.image, ToySource(toy, ["b"])[0].pair.image)


def test_the_command_trains_on_it(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "small", TINY)
    out, small = tmp_path / "run", {"synthetic.width": 128, "synthetic.height": 48, "synthetic.points": 3000}
    few = {"training.samples": 4, "training.batch": 2, "training.validate_pairs": 1, "precision": "float32"}
    changes = [word for name, value in {**small, **few}.items() for word in ("--set", f"{name}={value}")]
    words = ("--kitti", str(toy), "--drives", "b", "--kitti-share", "1", "--worlds", "1", "--workers", "0")
    code, _, err = run(capsys, "train", "--out", str(out), *words, *changes)
    assert code == 0, err
    trained = find_model(str(out))[0].trained
    assert trained["drives"] == ["b"] and "toy b (2 pairs) 100%" in trained["data"] and trained["samples"] == 4
    assert list((out / "cache").rglob("*.npz"))


def test_its_drives_and_cameras_are_monitored_one_by_one(toy: Path) -> None:
    parts = Checker(SETTINGS).parts(toy)
    assert [(part.recording, part.drive, part.camera) for part in parts] == [(toy, "a", "left"), (toy, "b", "left")]
    parts = Checker(SETTINGS, drives=["b"], cameras=["left", "right"]).parts(toy)
    assert [(part.drive, part.camera) for part in parts] == [("b", "left"), ("b", "right")]


def test_cameras_of_a_dataset_without_drives_are_monitored_one_by_one(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "toy", replace(ROW, choices=("cameras",)))
    parts = Checker(SETTINGS, cameras=["left", "right"]).parts(toy)
    assert [(part.drive, part.camera) for part in parts] == [("", "left"), ("", "right")]


def test_it_is_replayed(toy: Path) -> None:
    playing = pytest.importorskip("i2p_ros.ros.replay.playing", reason="needs ROS 2 (pip install .[ros])")
    for camera, name in (("", "a/left/000000"), ("right", "a/right/000002")):
        replay = ReplaySettings(data=str(toy), drive="a", camera=camera, limit=1)
        source = playing.open_recording(SETTINGS.model_copy(update={"replay": replay}))
        assert (source.drives, len(source), source[0].pair.name) == (("a",), 1, name)
    assert recognised(toy) is ROW

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A dataset is added by one file and one row: then it is opened, recognised, evaluated, trained on, monitored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.cli import run
from helpers.toy_dataset import ToySource, is_toy, write_toy

from i2p_ros.core.config import ReplaySettings, Settings, SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.evaluation.monitoring import Checker
from i2p_ros.sources.kinds import KINDS, SourceKind
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.training.mixture import mixture

TOUCHED = {  # file -> what was added
    "test/helpers/toy_dataset.py": "the dataset's own file: its Source, and how a folder is recognised",
    "i2p_ros/sources/kinds.py": "the row in KINDS",
}
ROW = SourceKind(
    "toy", "toy folder", lambda request: ToySource(request.path, request.choices.get("drives")), is_toy,
    "DRIVE/000000.npz", choices=("drives",),
)  # fmt: skip
SETTINGS = Settings(synthetic=SyntheticSettings(width=128, height=48, points=3000))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four samples in two drives."""
    monkeypatch.setitem(KINDS, "toy", ROW)
    write_toy(tmp_path / "toy", SyntheticSource(SETTINGS.synthetic, 1, 4))
    return tmp_path / "toy"


def test_at_most_two_files_are_touched_beside_its_own() -> None:
    assert len(TOUCHED) <= 3 and all((ROOT / file).is_file() for file in TOUCHED)


def test_it_is_opened_by_name_and_by_its_path(toy: Path) -> None:
    made = SyntheticSource(SETTINGS.synthetic, 1, 4)
    for kind in ("toy", "auto"):
        source = open_source(kind, toy, settings=SETTINGS)
        assert (len(source), source.drives, source.name) == (4, ("a", "b"), "toy a, b")
        assert source.frames == ("camera", "lidar") and not source.lost
        np.testing.assert_array_equal(source[1].pair.image, made[2].pair.image)
    first = open_source("auto", toy, settings=SETTINGS, drives=["b"], n=1)
    assert (first.drives, first.frames, first.lost.total(), len(first)) == (("b",), ("camera", "lidar"), 0, 1)


def test_errors_name_it(toy: Path, tmp_path: Path) -> None:
    for kind, root, match in (
        ("nuscenes", toy, "there are auto, synthetic, kitti, rosbag, toy"),
        ("toy", None, "source 'toy' needs a root"),
        ("synthetic", toy, "choose auto, kitti, rosbag or toy"),
        ("auto", tmp_path / "absent", "expected a KITTI folder, a bag, a toy folder"),
        ("auto", tmp_path, r"expected raw .*; or metadata.yaml .*; or DRIVE/000000.npz \(a toy folder\)"),
    ):
        with pytest.raises(InputError, match=match):
            open_source(kind, root, settings=SETTINGS)
    with pytest.raises(InputError, match="cameras are for KITTI folders, not for source 'toy'"):
        open_source("toy", toy, settings=SETTINGS, cameras=["left"])
    with pytest.raises(InputError, match="drives are for KITTI folders or toy folders, not for source 'synthetic'"):
        open_source("synthetic", settings=SETTINGS, drives=["a"])


def test_it_is_evaluated(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--protocol", "prior", "--drives", "a", "--json", "-")
    code, out, _ = run(capsys, "evaluate", "--source", "toy", "--root", str(toy), *words)
    report = json.loads(out)
    assert code == 0 and report["source"] == "toy a" and report["pairs"] == 2 and report["lost"] == {}


def test_it_is_trained_on(toy: Path, tmp_path: Path) -> None:
    mixed = mixture(SETTINGS, tmp_path / "cache", 0, 2, toy, ["b"], 0.25)
    (_, share), (recorded, toy_share) = mixed.sources
    assert (share, toy_share, mixed.drives) == (0.75, 0.25, ("b",)) and "toy b (2 pairs) 25%" in mixed.describe()
    for _ in ("made", "kept"):
        np.testing.assert_array_equal(recorded[0].pair.image, ToySource(toy, ["b"])[0].pair.image)


def test_its_drives_are_monitored_one_by_one(toy: Path) -> None:
    parts = Checker(SETTINGS).parts(toy)
    assert [(part.recording, part.drive, part.camera) for part in parts] == [(toy, "a", ""), (toy, "b", "")]


def test_it_is_replayed(toy: Path) -> None:
    playing = pytest.importorskip("i2p_ros.ros.replay.playing", reason="needs ROS 2 (pip install .[ros])")
    replay = ReplaySettings(data=str(toy), drive="a", limit=1)
    source = playing.open_recording(SETTINGS.model_copy(update={"replay": replay}))
    assert (source.drives, len(source)) == (("a",), 1)
    assert recognised(toy) is ROW

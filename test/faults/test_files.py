# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of files, row 62 of docs/faults.md: what can be read of a recording is used, and what is lost is told."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bags import CLOUDS, FRAMES, IMAGES, POSES, START, WIDTH, pose, stamps, written
from helpers.networks import FAMILY

from i2p_ros import cli
from i2p_ros.cli.parts import LOST
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.evaluation import evaluate
from i2p_ros.evaluation.files import write_bytes
from i2p_ros.runtime.weights import save_model
from i2p_ros.sources.rosbag import RosbagSource


def partly(broken: int) -> Any:
    """A filling with so many images and one cloud that cannot be read."""

    def filling(bag: Any) -> None:
        bag.transforms(START, ("lidar", "cam_optical", pose(1)))
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i], step=9 if i < broken else 3 * WIDTH)
            bag.info(stamp)
            bag.cloud(stamp, CLOUDS[i][: 0 if i == FRAMES - 1 else None])
            bag.pose(stamp, POSES[i])

    return filling


class Silent:
    """Has no pose for anything."""

    def localize_pair(self, pair: Pair, prior: Prior | None = None) -> PoseEstimate:
        return PoseEstimate(Status.NO_CONSENSUS, "none")


def test_row_62_pairs_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    with RosbagSource(written(tmp_path, filling=partly(2))) as source:
        report = evaluate(Silent(), source, "none")
    assert len(report.rows) == FRAMES - 3
    assert report.to_json()["lost"] == {"image.step": 2, "cloud.empty": 1}


def test_row_62_a_recording_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    with (
        RosbagSource(written(tmp_path, filling=partly(FRAMES))) as source,
        pytest.raises(InputError, match="row needs"),
    ):
        evaluate(Silent(), source, "none")


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_row_62_a_full_or_read_only_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    """The next attempt may succeed: a node says it and goes on."""
    file, real = tmp_path / "history.json", Path.write_bytes
    write_bytes(file, b"old")

    def failing(path: Path, content: bytes) -> int:
        real(path, content[:1])
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(InputError, match=os.strerror(fault)) as caught:
        write_bytes(file, b"new")
    assert caught.value.reason == "output" and file.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    write_bytes(file, b"new")
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.97])
def test_row_62_a_bag_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path, share: float, metadata: bool) -> None:
    def filling(bag: Any) -> None:
        bag.info(START)
        for i, stamp in enumerate(stamps(n)):
            bag.image(stamp, IMAGES[i % FRAMES])
            bag.cloud(stamp, CLOUDS[i % FRAMES])

    n, path = 400, tmp_path / "bag"
    written(tmp_path, filling=filling)
    (file,) = path.glob("*.mcap")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    if not metadata:
        (path / "metadata.yaml").unlink()
    with RosbagSource(path) as source:
        assert share * n - 150 < len(source) <= share * n + 5 and source.lost == {"bag.cut_off": 1}
        for index in (0, len(source) - 1):
            assert (source[index].pair.image == IMAGES[index % FRAMES]).all()


def test_row_62_the_exit_code_says_that_a_part_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, out = tmp_path / "model", tmp_path / "out.json"
    model.mkdir()
    save_model(model, FAMILY, FAMILY.network(), Settings(), {"samples": 0})
    bag = written(tmp_path, filling=partly(1))
    arguments = ["evaluate", str(model), "--source", "rosbag", "--root", str(bag), "--json", str(out)]
    monkeypatch.setattr("sys.argv", ["i2p", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == LOST
    told = "".join(capsys.readouterr())
    assert "a part of the recording could not be read and is left out: 1 image.step, 1 cloud.empty" in told
    assert json.loads(out.read_text())["lost"] == {"image.step": 1, "cloud.empty": 1}


def test_row_62_a_replay_passes_over_what_is_lost_and_its_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tf2_msgs", reason="needs ROS: install the extra ros, and python pip_ros/install.py")
    torch.manual_seed(0)
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    save_model(model, FAMILY, FAMILY.network(), Settings(), {"samples": 0})
    bag = written(tmp_path, filling=partly(1))
    monkeypatch.setattr(
        "sys.argv", ["i2p", "replay", str(bag), "--rate", "0", "--out", str(out), "--set", f"model={model}"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    numbers = json.loads((out / "summary.json").read_text())
    assert numbers["lost"] == {"image.step": 1, "cloud.empty": 1} and numbers["pairs"] == numbers["processed"] > 0
    assert ended.value.code == LOST and "could not be read" in "".join(capsys.readouterr())

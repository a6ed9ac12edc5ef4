# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of files, row 62: what can be read of a recording is used, and what is lost is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_localizer import FAMILY
from test_networks_vp2p import TINY
from test_sources_rosbag import CLOUDS, FRAMES, IMAGES, POSES, START, WIDTH, pose, stamps, written

from i2p_ros import cli
from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.core.types import Pair, PoseEstimate, Prior, Status
from i2p_ros.evaluation import evaluate
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
        pytest.raises(InputError, match="a row needs"),
    ):
        evaluate(Silent(), source, "none")


def test_row_62_the_exit_code_says_that_a_part_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, out = tmp_path / "model", tmp_path / "out.json"
    model.mkdir()
    save_model(model, TINY, FAMILY.network(), Settings(), {"samples": 0})
    bag = written(tmp_path, filling=partly(1))
    arguments = ["evaluate", str(model), "--source", "rosbag", "--root", str(bag), "--json", str(out)]
    monkeypatch.setattr("sys.argv", ["i2p", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.LOST
    told = "".join(capsys.readouterr())
    assert "2 pairs could not be read and are left out: 1 image.step, 1 cloud.empty" in told
    assert json.loads(out.read_text())["lost"] == {"image.step": 1, "cloud.empty": 1}

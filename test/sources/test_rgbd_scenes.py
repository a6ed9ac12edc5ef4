# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RGB-D Scenes v2: its layout, splits and poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.rgbd import WALL, shot, write_rgbd_scenes

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.sources.rgbd_scenes import find_sequences


def test_scenes_are_read_with_their_splits_and_poses(tmp_path: Path) -> None:
    for scene, frames in (("01", 26), ("09", 2), ("14", 2)):
        write_rgbd_scenes(tmp_path, scene, frames)
    found = find_sequences(tmp_path)
    assert [(s.place, s.split, len(s.frames)) for s in found] == [
        ("scene_01/seq-01", "train", 26), ("scene_09/seq-01", "val", 2), ("scene_14/seq-01", "test", 2),
    ]  # fmt: skip
    assert found[0].K[0, 0] == 570.3 and recognised(tmp_path).name == "rgbd-scenes-v2"
    np.testing.assert_allclose(found[0].frames[7].pose().matrix, shot(7).T_world_camera.matrix, atol=1e-9)
    source = open_source("auto", tmp_path, settings=Settings(), seed=2)
    assert source.drives == ("scene_01",) and len(source) == 1
    sample = source[0]
    assert sample.T_camera_lidar is not None
    np.testing.assert_allclose(sample.T_camera_lidar.apply(sample.pair.cloud.xyz)[:, 2], WALL, atol=1e-4)


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    write_rgbd_scenes(tmp_path, "01", 2)
    poses = tmp_path / "pc" / "01.pose"
    for content, match in (
        ("1 0 0 0 1 2\n", "01.pose, line 1: needs a quaternion"), ("a b\n", "cannot read the poses"),
        ("", "has no frame with colour, depth and pose"),
    ):  # fmt: skip
        poses.write_text(content)
        with pytest.raises(InputError, match=match):
            find_sequences(tmp_path)
    poses.write_text("0 0 0 0 1 2 3\n" * 2)
    with pytest.raises(InputError, match=r"01\.pose: a rotation needs a quaternion"):
        find_sequences(tmp_path)[0].frames[0].pose()
    poses.unlink()
    with pytest.raises(InputError, match="cannot read the poses"):
        open_source("rgbd-scenes-v2", tmp_path, settings=Settings())
    with pytest.raises(InputError, match="has no scene of RGB-D Scenes v2; expected imgs/scene_NN"):
        open_source("rgbd-scenes-v2", tmp_path / "pc", settings=Settings())

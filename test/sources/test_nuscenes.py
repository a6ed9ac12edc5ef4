# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""nuScenes v1.0: key frames, poses of both stamps, and sweeps in the frame of the key frame's lidar."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.nuscenes import POST, SECOND_KEY, T_VEHICLE, VERSION, vehicle, write_nuscenes

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.sources.nuscenes import NuscenesSource
from i2p_ros.sources.opening import open_source, recognised


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nuscenes")
    write_nuscenes(root)
    return root


def test_key_frames_are_read_in_the_order_of_time_and_camera(folder: Path) -> None:
    for root in (folder, folder / VERSION):
        source = open_source("auto", root, settings=Settings())
        assert recognised(root).name == "nuscenes" and source.name == "nuscenes v1.0-mini scene-0061"
        assert source.cameras == ("CAM_BACK", "CAM_FRONT") and source.frames == ("CAM_BACK", "LIDAR_TOP")
        assert [source[k].pair.name for k in range(len(source))] == [
            "scene-0061/CAM_BACK/20000", "scene-0061/CAM_FRONT/20000",
            "scene-0061/CAM_BACK/520000", "scene-0061/CAM_FRONT/520000",
        ]  # fmt: skip
    front = open_source("nuscenes", folder, settings=Settings(), cameras=["CAM_FRONT"], drives=["scene-0061"])
    assert len(front) == 2 and front[1].pair.stamp == 520_000_000


def test_poses_are_those_of_both_stamps(folder: Path) -> None:
    sample = NuscenesSource(folder, ["CAM_FRONT"])[1]
    T_world_lidar = vehicle(SECOND_KEY) @ T_VEHICLE["LIDAR_TOP"]
    T_world_camera = vehicle(SECOND_KEY + 0.4) @ T_VEHICLE["CAM_FRONT"]
    assert sample.T_camera_lidar is not None and sample.T_world_lidar is not None
    np.testing.assert_allclose(
        sample.T_camera_lidar.matrix, (T_world_camera.inverse() @ T_world_lidar).matrix, atol=1e-9
    )
    np.testing.assert_allclose(sample.T_world_lidar.matrix, T_world_lidar.matrix, atol=1e-9)
    one_pose = (T_VEHICLE["CAM_FRONT"].inverse() @ T_VEHICLE["LIDAR_TOP"]).matrix
    assert np.abs(sample.T_camera_lidar.matrix - one_pose).max() > 0.1  # m: 0.2 m were driven between the stamps
    pixel, inside = sample.pair.camera.project(sample.T_camera_lidar.apply(sample.pair.cloud.xyz))
    expected, _ = sample.pair.camera.project(T_world_camera.inverse().apply(POST[None]))
    np.testing.assert_allclose(pixel, np.repeat(expected, len(pixel), axis=0), atol=0.01)
    assert inside.all() and sample.pair.image[0, 0, 0] == pytest.approx(50, abs=2)


@pytest.mark.parametrize(("index", "sweeps"), [(0, 4), (1, 5)])
def test_sweeps_4_8_and_12_before_and_after_are_put_together_without_the_vehicle(
    folder: Path, index: int, sweeps: int
) -> None:
    """The first key frame has none before it: 4, 8, 12 after. The second is number 10 of 21: 4 and 8 on both sides."""
    sample = NuscenesSource(folder, ["CAM_FRONT"])[index]
    cloud = sample.pair.cloud
    assert sample.T_world_lidar is not None and cloud.intensity is not None and len(cloud) == sweeps
    np.testing.assert_allclose(sample.T_world_lidar.apply(cloud.xyz), np.repeat(POST[None], sweeps, axis=0), atol=1e-4)
    np.testing.assert_allclose(cloud.intensity, 51.0 / 255.0)


def test_what_is_missing_or_broken_is_named(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(folder, root)
    for what, match in (
        ({"cameras": ["CAM_FRON"]}, "has no camera CAM_FRON; there are CAM_BACK, CAM_FRONT. Did you mean"),
        ({"drives": ["scene-0062"]}, "has no drive scene-0062; there are scene-0061"),
    ):
        with pytest.raises(InputError, match=match):
            open_source("nuscenes", root, settings=Settings(), **what)
    source = NuscenesSource(root)
    (root / "samples" / "LIDAR_TOP" / "0.pcd.bin").write_bytes(b"123456789")
    with pytest.raises(InputError, match=r"0\.pcd\.bin has 2 numbers, not 5 a point"):
        source[0]
    (root / "samples" / "LIDAR_TOP" / "0.pcd.bin").unlink()
    with pytest.raises(InputError, match=r"cannot read .*0\.pcd\.bin"):
        source[0]
    (root / "samples" / "CAM_BACK" / "0.jpg").unlink()
    with pytest.raises(InputError, match=r"0\.jpg is not a readable image"):
        source[0]
    table = root / VERSION / "ego_pose.json"
    rows = json.loads(table.read_text())
    table.write_text(json.dumps(rows[:3]))
    with pytest.raises(InputError, match="scene-0061/CAM_FRONT/520000: no 'edCAM_FRONT10'"):
        NuscenesSource(root)[3]
    for content, match in (("[", "is not a table of nuScenes"), ('{"a": 1}', "is not a table"), ("[{}]", "'token'")):
        table.write_text(content)
        with pytest.raises(InputError, match=match):
            NuscenesSource(root)
    table.unlink()
    with pytest.raises(InputError, match=r"cannot read .*ego_pose\.json"):
        NuscenesSource(root)
    shutil.copytree(root / VERSION, root / "v1.0-test")
    with pytest.raises(InputError, match=r"has the versions v1\.0-mini, v1\.0-test: give the folder of one"):
        NuscenesSource(root)
    with pytest.raises(InputError, match=r"has no tables of nuScenes; expected v1\.0-mini"):
        NuscenesSource(tmp_path / "copy" / "samples")

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""open_source: names, what lies at a path, and the choices that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i2p_ros.core.camera import Camera
from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.source import Source, Successive
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.kinds import KINDS
from i2p_ros.sources.opening import open_source, recognised
from i2p_ros.writers.writing import write_bag, write_kitti_raw

SETTINGS = Settings(synthetic=SyntheticSettings(width=64, height=32, beams=8, points=400))
T_CAMERA = Pose(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.array([0.0, -0.1, -0.3]))


class Made(Source):
    """Four samples of one camera."""

    name = "made"

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        cloud = PointCloud(rng.normal(0, 5, (20, 3)).astype(np.float32), np.full(20, 0.5, np.float32))
        image = rng.integers(0, 255, (12, 16, 3), np.uint8)
        return Sample(Pair(image, Camera(20, 20, 8, 6, 16, 12), cloud, 10**18 + index * 10**8), T_CAMERA)


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    write_kitti_raw(Made(), tmp_path / "kitti")
    return tmp_path / "kitti"


@pytest.fixture(params=["mcap", "sqlite3"])
def bag(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    write_bag(Made(), tmp_path / "bag", request.param)
    return tmp_path / "bag"


@pytest.mark.parametrize("kind", ["kitti", "auto"])
def test_a_kitti_folder_opens(kitti: Path, kind: str) -> None:
    source = open_source(kind, str(kitti), settings=SETTINGS)
    assert len(source) == 4
    assert source[3].pair.stamp == 10**18 + 3 * 10**8


@pytest.mark.parametrize("kind", ["rosbag", "auto"])
def test_a_bag_opens_as_a_folder_and_as_a_file(bag: Path, kind: str) -> None:
    file = next(p for p in bag.iterdir() if p.suffix != ".yaml")
    for root in (bag, file):
        source = open_source(kind, root, settings=SETTINGS)
        assert len(source) == 4
        np.testing.assert_array_equal(source[2].pair.image, Made()[2].pair.image)
        assert source[2].T_camera_lidar is not None
        np.testing.assert_allclose(source[2].T_camera_lidar.matrix, T_CAMERA.matrix, atol=1e-9)


def test_a_bag_folder_without_metadata_is_recognised(bag: Path) -> None:
    (bag / "metadata.yaml").unlink()
    assert recognised(bag).name == "rosbag"


def test_the_synthetic_world_takes_seed_and_number() -> None:
    first, again = (open_source("synthetic", settings=SETTINGS, seed=3, n=2) for _ in range(2))
    assert len(first) == len(again) == 2
    np.testing.assert_array_equal(first[1].pair.image, again[1].pair.image)


def test_n_takes_the_first_of_a_recording(kitti: Path) -> None:
    source = open_source("kitti", kitti, settings=SETTINGS, n=2)
    assert (len(source), [s.pair.stamp for s in source]) == (2, [10**18, 10**18 + 10**8])  # type: ignore[attr-defined]
    assert source[-1].pair.stamp == 10**18 + 10**8
    assert source.name.endswith("(first 2 of 4)")
    assert len(open_source("kitti", kitti, settings=SETTINGS, n=9)) == 4


def test_successive_samples_from_a_number_on(kitti: Path) -> None:
    whole = open_source("kitti", kitti, settings=SETTINGS)
    part = Successive(whole, 1, 2)
    assert [s.pair.stamp for s in part] == [whole[1].pair.stamp, whole[2].pair.stamp]  # type: ignore[attr-defined]
    assert part.name.endswith("(1 to 2 of 4)") and (len(part), part.drives) == (2, whole.drives)
    with pytest.raises(IndexError):
        part[2]


def test_drives_and_cameras_are_passed_on(kitti: Path) -> None:
    source = open_source("auto", kitti, settings=SETTINGS, cameras=["image_2"], drives=["synthetic_0000_drive_0000"])
    assert len(source) == 4
    with pytest.raises(InputError, match="no drive '0007'"):
        open_source("auto", kitti, settings=SETTINGS, drives=["0007"])
    with pytest.raises(
        InputError, match="cameras and drives are for KITTI folders or nuScenes folders, not for source 'synthetic'"
    ):
        open_source("synthetic", settings=SETTINGS, cameras=["image_02"], drives=["04"])


def test_wrong_requests_say_what_is_right(tmp_path: Path) -> None:
    for kind, root, match in (
        ("waymo", tmp_path, f"no source 'waymo'; there are auto, {', '.join(KINDS)}"),
        ("kitti", None, "source 'kitti' needs a root"),
        ("rosbag", None, "source 'rosbag' needs a root"),
        ("synthetic", tmp_path, "source 'synthetic' reads no root"),
        ("auto", None, "give a root to look at"),
        ("auto", tmp_path / "absent", "does not exist; expected a KITTI folder, .*a pair list, .*a bag"),
        ("auto", tmp_path, "is empty; expected raw"),
        ("auto", Path(__file__), "is not a bag; bag files end in .mcap, .db3, .bag"),
    ):
        with pytest.raises(InputError, match=match):
            open_source(kind, root, settings=SETTINGS)
    with pytest.raises(InputError, match="at least one sample, got n=0"):
        open_source("synthetic", settings=SETTINGS, n=0)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders and bags written from a made-up source: read back by KittiSource, by pykitti's formulas and by rosbags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.core.messages import camera_from_message
from i2p_ros.core.source import Source
from i2p_ros.core.types import Pair, PointCloud, Sample
from i2p_ros.sources.kitti import KittiSource
from i2p_ros.synthetic.rigs import CAMERAS
from i2p_ros.writers.bag import camera_info
from i2p_ros.writers.writing import write_bag, write_kitti_raw

CAMERA = Camera(45.123456789, 46.2, 23.7, 11.9, 48, 24)
T_CAMERA = Pose.from_matrix(
    np.column_stack([Rotation.from_euler("xyz", [-1.55, 0.03, -1.57]).as_matrix(), [0.123456789, -0.3, -0.25]])
)
START = 1_700_000_000_123_456_789


@dataclass(frozen=True)
class Listed(Source):
    """A source that is a list."""

    samples: list[Sample]
    name: str = "listed"

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def sample(index: int, camera: Camera = CAMERA, T_camera_lidar: Pose | None = T_CAMERA) -> Sample:
    rng = np.random.default_rng(index)
    image = cv2.GaussianBlur(rng.integers(0, 255, (camera.height, camera.width, 3), np.uint8), (9, 9), 3)
    xyz = rng.normal(0, 20, (60, 3)).astype(np.float32)
    cloud = PointCloud(xyz, rng.uniform(0, 1, 60).astype(np.float32))
    turn = Rotation.from_euler("ZYX", [0.3 * index, 0.02 * index, -0.01]).as_matrix()
    T_world_lidar = Pose(turn, np.array([100.0 + 8 * index, -50.0 - 3 * index, 2.0]))
    pair = Pair(np.asarray(image, np.uint8), camera, cloud, START + index * 100_000_001, f"made/{index}")
    return Sample(pair, T_camera_lidar, T_world_lidar)


@pytest.fixture
def source() -> Listed:
    return Listed([sample(i) for i in range(3)])


def test_kitti_raw_reads_back_with_the_same_truth(source: Listed, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    write_kitti_raw(source, tmp_path / "deep" / "out", lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    back = KittiSource(tmp_path / "deep" / "out")
    assert (len(back), back.skipped, back.drives) == (3, 0, ("synthetic_0000_drive_0000",))
    origin = source[0].T_world_lidar.translation
    for wrote, read in zip(source.samples, back, strict=True):
        assert read.pair.stamp == wrote.pair.stamp
        assert read.pair.camera == wrote.pair.camera
        np.testing.assert_array_equal(read.pair.image, wrote.pair.image)
        assert read.pair.cloud.xyz.tobytes() == wrote.pair.cloud.xyz.tobytes()
        assert read.pair.cloud.intensity.tobytes() == wrote.pair.cloud.intensity.tobytes()
        np.testing.assert_allclose(read.T_camera_lidar.matrix, wrote.T_camera_lidar.matrix, atol=1e-12)
        np.testing.assert_allclose(read.T_world_lidar.rotation, wrote.T_world_lidar.rotation, atol=1e-9)
        np.testing.assert_allclose(read.T_world_lidar.translation, wrote.T_world_lidar.translation - origin, atol=1e-6)


def test_kitti_raw_has_what_other_readers_ask_for(source: Listed, tmp_path: Path) -> None:
    write_kitti_raw(source, tmp_path / "out")
    date = tmp_path / "out" / "synthetic_0000"
    rows = dict(line.split(": ") for line in (date / "calib_cam_to_cam.txt").read_text().splitlines())
    assert {f"{key}_0{c}" for key in ("P_rect", "R_rect", "S_rect", "K", "D", "R", "T") for c in range(4)} <= set(rows)
    drive = date / "synthetic_0000_drive_0000_sync"
    assert len((drive / "oxts/data/0000000000.txt").read_text().split()) == 30
    for sensor in ("image_02", "velodyne_points", "oxts"):
        assert (drive / sensor / "timestamps.txt").read_text().splitlines()[0] == "2023-11-14 22:13:20.123456789"


def test_kitti_raw_makes_one_date_folder_per_calibration(tmp_path: Path) -> None:
    other = Pose.from_rotvec([0.1, 0, 0]) @ T_CAMERA
    write_kitti_raw(Listed([sample(0), sample(1, T_camera_lidar=other), sample(2)]), tmp_path / "out")
    back = KittiSource(tmp_path / "out")
    assert back.drives == ("synthetic_0000_drive_0000", "synthetic_0001_drive_0000")
    assert [s.pair.stamp for s in back] == [sample(i).pair.stamp for i in (0, 2, 1)]
    np.testing.assert_allclose(back[2].T_camera_lidar.matrix, other.matrix, atol=1e-12)


def test_kitti_raw_without_world_and_intensity(tmp_path: Path) -> None:
    plain = sample(0)
    plain = Sample(replace(plain.pair, cloud=PointCloud(plain.pair.cloud.xyz)), plain.T_camera_lidar)
    write_kitti_raw(Listed([plain]), tmp_path / "out")
    (back,) = KittiSource(tmp_path / "out")
    assert back.T_world_lidar is None
    assert not back.pair.cloud.intensity.any()


def test_kitti_raw_takes_lens_distortion_out(tmp_path: Path) -> None:
    lens = Camera.from_matrix(CAMERA.matrix, 48, 24, "plumb_bob", [-0.3, 0.1, 0.001, 0.002, 0])
    write_kitti_raw(Listed([sample(0, lens)]), tmp_path / "out")
    (back,) = KittiSource(tmp_path / "out")
    assert back.pair.camera == CAMERA
    expected = cv2.undistort(sample(0).pair.image, lens.matrix, np.array(lens.distortion))
    assert np.abs(back.pair.image.astype(int) - expected).max() <= 2


def test_kitti_raw_has_the_calibration_of_the_undistorted_middle_of_a_wide_fisheye(tmp_path: Path) -> None:
    lens = CAMERAS["tum_vi"][0].resized(64, 64)
    taken = sample(0)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    write_kitti_raw(Listed([replace(taken, pair=replace(taken.pair, image=image, camera=lens))]), tmp_path / "out")
    (back,) = KittiSource(tmp_path / "out")
    expected, camera = lens.undistort(image)
    np.testing.assert_allclose(back.pair.camera.matrix, camera.matrix, atol=1e-9)
    np.testing.assert_array_equal(back.pair.image, expected)


def messages(path: Path) -> dict[str, list[Any]]:
    with AnyReader([path]) as reader:
        found: dict[str, list[Any]] = {c.topic: [] for c in reader.connections}
        for connection, time, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            if hasattr(message, "header"):
                assert time == stamp_of(message)
            found[connection.topic].append(message)
    return found


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def pose_of(rotation: Any, translation: Any) -> np.ndarray:
    m = np.eye(4)
    m[:3, :3] = Rotation.from_quat([rotation.x, rotation.y, rotation.z, rotation.w]).as_matrix()
    m[:3, 3] = translation.x, translation.y, translation.z
    return m


@pytest.mark.parametrize("fmt", ["mcap", "sqlite3"])
def test_a_bag_carries_images_clouds_and_truth(source: Listed, tmp_path: Path, fmt: str) -> None:
    write_bag(source, tmp_path / "bag", fmt)
    assert sorted(p.suffix for p in (tmp_path / "bag").iterdir()) == sorted(
        [".yaml", {"mcap": ".mcap", "sqlite3": ".db3"}[fmt]]
    )
    found = messages(tmp_path / "bag")
    assert {topic: len(m) for topic, m in found.items()} == {
        "/tf_static": 1,
        "/camera/image": 3,
        "/camera/camera_info": 3,
        "/points": 3,
        "/ground_truth/pose": 3,
    }
    (static,) = found["/tf_static"][0].transforms
    assert (static.header.frame_id, static.child_frame_id) == ("lidar", "camera_optical_frame")
    T_lidar_camera = pose_of(static.transform.rotation, static.transform.translation)
    np.testing.assert_allclose(np.linalg.inv(T_lidar_camera), T_CAMERA.matrix, atol=1e-12)
    for i, expected in enumerate(source.samples):
        image, info, cloud, truth = (
            found[t][i] for t in ("/camera/image", "/camera/camera_info", "/points", "/ground_truth/pose")
        )
        assert {stamp_of(m) for m in (image, info, cloud, truth)} == {expected.pair.stamp}
        assert [m.header.frame_id for m in (image, info, cloud, truth)] == [
            "camera_optical_frame",
            "camera_optical_frame",
            "lidar",
            "world",
        ]
        assert (image.encoding, image.step) == ("rgb8", 48 * 3)
        np.testing.assert_array_equal(image.data.reshape(24, 48, 3), expected.pair.image)
        assert (info.width, info.height, info.distortion_model, *info.d) == (48, 24, "plumb_bob", 0, 0, 0, 0, 0)
        np.testing.assert_array_equal(info.k.reshape(3, 3), CAMERA.matrix)
        np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3], CAMERA.matrix)
        assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
            ("x", 0, 7, 1),
            ("y", 4, 7, 1),
            ("z", 8, 7, 1),
            ("intensity", 12, 7, 1),
        ]
        assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step, cloud.is_dense) == (60, 1, 16, 960, True)
        rows = cloud.data.view("<f4").reshape(-1, 4)
        np.testing.assert_array_equal(rows[:, :3], expected.pair.cloud.xyz)
        np.testing.assert_array_equal(rows[:, 3], expected.pair.cloud.intensity)
        matrix = pose_of(truth.pose.orientation, truth.pose.position)
        np.testing.assert_allclose(matrix, expected.T_world_lidar.matrix, atol=1e-12)


def test_a_bag_metadata_latches_the_calibration(source: Listed, tmp_path: Path) -> None:
    write_bag(source, tmp_path / "bag")
    meta = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert (meta["version"], meta["relative_file_paths"]) == (9, ["bag.mcap"])
    topics = {t["topic_metadata"]["name"]: t["topic_metadata"] for t in meta["topics_with_message_count"]}
    (profile,) = topics["/tf_static"]["offered_qos_profiles"]
    assert (profile["durability"], profile["reliability"]) == ("transient_local", "reliable")


def test_a_bag_of_compressed_images_and_bare_clouds(tmp_path: Path) -> None:
    lens = Camera.from_matrix(CAMERA.matrix, 48, 24, "equidistant", [0.1, 0.01, 0, 0])
    one = sample(0, lens)
    bare = Sample(replace(one.pair, cloud=PointCloud(one.pair.cloud.xyz * np.float32(np.nan))), one.T_camera_lidar)
    write_bag(Listed([bare]), tmp_path / "bag", compressed_images=True)
    found = messages(tmp_path / "bag")
    assert set(found) == {"/tf_static", "/camera/image/compressed", "/camera/camera_info", "/points"}
    (image,), (info,), (cloud,) = (found[t] for t in ("/camera/image/compressed", "/camera/camera_info", "/points"))
    assert image.format == "rgb8; jpeg compressed bgr8"
    decoded = cv2.imdecode(image.data, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - one.pair.image).mean() < 4
    assert (info.distortion_model, *info.d) == ("equidistant", 0.1, 0.01, 0, 0)
    assert ([f.name for f in cloud.fields], cloud.point_step, cloud.is_dense) == (["x", "y", "z"], 12, False)


def test_a_bag_never_has_the_stamp_that_means_none(tmp_path: Path) -> None:
    early = [replace(s, pair=replace(s.pair, stamp=s.pair.stamp - START)) for s in (sample(0), sample(1))]
    write_bag(Listed(early), tmp_path / "bag")
    found = messages(tmp_path / "bag")
    for topic in ("/camera/image", "/camera/camera_info", "/points", "/ground_truth/pose"):
        assert [stamp_of(m) for m in found[topic]] == [10**9, 1_100_000_001]
    assert stamp_of(found["/tf_static"][0].transforms[0]) == 10**9


WRITERS: list[Callable[[Any, Path], None]] = [write_kitti_raw, write_bag]


@pytest.mark.parametrize("write", WRITERS)
def test_an_existing_target_is_refused_and_kept(source: Listed, tmp_path: Path, write: Callable[..., None]) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "precious").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write(source, target)
    assert (target / "precious").read_text() == "mine"


@pytest.mark.parametrize("write", WRITERS)
def test_nothing_half_written_is_left(source: Listed, tmp_path: Path, write: Callable[..., None]) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        write(source, tmp_path / "out", progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", WRITERS)
def test_a_source_that_cannot_be_written_is_refused(tmp_path: Path, write: Callable[..., None]) -> None:
    for samples, match in (
        ([], "no samples"),
        ([sample(0), sample(1, T_camera_lidar=None)], "made/1 has no calibration"),
    ):
        with pytest.raises(InputError, match=match):
            write(Listed(samples), tmp_path / "out")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        write(Listed([sample(0)]), tmp_path / "file" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_cloud_without_points_is_refused(tmp_path: Path) -> None:
    one = sample(0)
    empty = replace(one, pair=replace(one.pair, cloud=PointCloud(np.zeros((0, 3), np.float32))))
    with pytest.raises(InputError, match="without points"):
        write_kitti_raw(Listed([empty]), tmp_path / "out")


def test_a_full_disk_is_told(source: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imwrite", lambda *_: False)
    with pytest.raises(InputError, match=r"cannot write .*0000000000\.png"):
        write_kitti_raw(source, tmp_path / "out")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cv2, "imwrite", full)
    with pytest.raises(InputError, match=r"cannot write .*out: .*No space left"):
        write_kitti_raw(source, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "other",
    [sample(1, replace(CAMERA, fx=50.0)), sample(1, T_camera_lidar=Pose.from_rotvec([0.01, 0, 0]) @ T_CAMERA)],
)
def test_a_bag_has_one_calibration(tmp_path: Path, other: Sample) -> None:
    with pytest.raises(InputError, match="made/1 has another calibration than made/0"):
        write_bag(Listed([sample(0), other]), tmp_path / "bag")
    assert not list(tmp_path.iterdir())


def test_a_bag_of_an_unknown_format(source: Listed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bag format 'rosbag1'; there are mcap, sqlite3"):
        write_bag(source, tmp_path / "bag", "rosbag1")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_a_lens_without_coefficients_is_written_as_plumb_bob(model: str) -> None:
    info = camera_info(1_000_000_000, Camera(100.0, 100.0, 32.0, 24.0, 64, 48, model))
    assert (info.distortion_model, list(info.d)) == ("plumb_bob", [0.0] * 5)
    assert camera_from_message(info) == Camera(100.0, 100.0, 32.0, 24.0, 64, 48)

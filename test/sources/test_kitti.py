# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KittiSource against folders that the test writes, with KITTI's own formulas, and against the real frames."""

from __future__ import annotations

import shutil
import struct
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.kitti import (
    R_RECT,
    R_VELO,
    SIZE,
    T_IMU,
    T_VELO,
    P,
    check_projection,
    picture,
    points,
    text,
    write_frame,
)
from helpers.lidar import sweep
from scipy.spatial.transform import Rotation

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources import kitti
from i2p_ros.sources.image_files import read_image
from i2p_ros.sources.kitti import KittiSource
from i2p_ros.sources.kitti_files import oxts_pose, read_stamps
from i2p_ros.sources.kitti_layouts import ObjectSplit

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
RAW_TIMES = ("2011-09-26 13:02:25.964389445", "2011-09-26 13:02:26.074343681", "2011-09-26 13:02:26.184000001")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw data set: two drives, the first with times and oxts."""
    date = tmp_path / "raw" / DATE
    for drive in (DRIVE, DRIVE.replace("0001", "0002")):
        images = [date / drive / f"image_0{c}" / "data" for c in (2, 3)]
        for i in range(3):
            write_frame(images, date / drive / "velodyne_points" / "data", f"{i:010d}")
    for c in (2, 3):
        (date / DRIVE / f"image_0{c}" / "timestamps.txt").write_text("\n".join(RAW_TIMES) + "\n")
    oxts = date / DRIVE / "oxts" / "data"
    oxts.mkdir(parents=True)
    for i in range(3):
        (oxts / f"{i:010d}.txt").write_text(
            f"{49.01 + 1e-5 * i} {8.43 + 2e-5 * i} {116 + i} 0.02 -0.03 {0.4 + 0.1 * i} 9 9"
        )
    rows = ["calib_time: 09-Jan-2012 13:57:47", f"R_rect_00: {text(R_RECT)}"]
    rows += [f"S_rect_0{c}: {SIZE[0]:.6e} {SIZE[1]:.6e}\nP_rect_0{c}: {text(P[c])}" for c in P]
    (date / "calib_cam_to_cam.txt").write_text("\n".join(rows))
    (date / "calib_velo_to_cam.txt").write_text(f"R: {text(R_VELO)}\nT: {text(T_VELO)}\ndelta_f: 0 0\n")
    (date / "calib_imu_to_velo.txt").write_text(f"R: {text(np.eye(3))}\nT: {text(T_IMU)}\n")
    return tmp_path / "raw"


@pytest.fixture
def odometry(tmp_path: Path) -> Path:
    """An odometry data set: sequence 04 with times and poses, 11 without."""
    for name in ("04", "11"):
        sequence = tmp_path / "odometry" / "sequences" / name
        for i in range(3):
            write_frame([sequence / "image_2", sequence / "image_3"], sequence / "velodyne", f"{i:06d}")
        rows = [f"P{c}: {text(P[c])}" for c in P]
        tr = np.column_stack([R_RECT @ R_VELO, R_RECT @ T_VELO])
        (sequence / "calib.txt").write_text("\n".join([*rows, f"Tr: {text(tr)}"]))
    (tmp_path / "odometry/sequences/04/times.txt").write_text("0.000000e+00\n1.041284e-01\n2.082536e-01\n")
    (tmp_path / "odometry/poses").mkdir()
    (tmp_path / "odometry/poses/04.txt").write_text("\n".join(text(pose[:3]) for pose in camera_poses()))
    return tmp_path / "odometry"


def camera_poses() -> list[np.ndarray]:
    """T_world_camera0 (4, 4) of each frame: along the optical axis, and turning."""
    poses = []
    for i in range(3):
        m = np.eye(4)
        m[:3, :3], m[:3, 3] = Rotation.from_rotvec([0, 0.1 * i, 0]).as_matrix(), [0.1 * i, 0, 1.3 * i]
        poses.append(m)
    return poses


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """An object data set: two frames with calibrations of their own."""
    split = tmp_path / "object" / "training"
    (split / "calib").mkdir(parents=True)
    for i in range(2):
        write_frame([split / "image_2"], split / "velodyne", f"{i:06d}")
        tr = np.column_stack([R_VELO, T_VELO + 0.01 * i])
        rows = [f"P{c}: {text(P[c])}" for c in P] + [f"R0_rect: {text(R_RECT)}", f"Tr_velo_to_cam: {text(tr)}"]
        (split / "calib" / f"{i:06d}.txt").write_text("\n".join(rows) + "\n\n")
    return tmp_path / "object"


def test_raw_gives_images_clouds_calibration_and_integer_times(raw: Path) -> None:
    source = KittiSource(raw, drives=["0001"])
    assert (len(source), source.skipped, source.name) == (6, 0, "kitti 2011_09_26_drive_0001")
    assert [s.pair.name.split("/", 1)[1] for s in source][:3] == [
        "0000000000/image_02",
        "0000000000/image_03",
        "0000000001/image_02",
    ]
    first, second, third = (source[i] for i in range(3))
    assert first.pair.name == "2011_09_26_drive_0001/0000000000/image_02"
    assert [first.pair.stamp, third.pair.stamp] == [1317042145964389445, 1317042146074343681]
    np.testing.assert_array_equal(first.pair.image, picture(0))
    np.testing.assert_array_equal(second.pair.image, picture(1))
    np.testing.assert_array_equal(third.pair.cloud.xyz, points(1)[:, :3])
    np.testing.assert_array_equal(third.pair.cloud.intensity, points(1)[:, 3])
    check_projection(first, 2)
    check_projection(second, 3)


def test_raw_world_is_level_and_starts_at_the_first_lidar(raw: Path) -> None:
    source = KittiSource(raw, cameras=["image_02"], drives=["2011_09_26_drive_0001_sync"])
    poses = [s.T_world_lidar for s in source]
    scale = np.cos(np.radians(49.01)) * 6378137.0
    for i, pose in enumerate(poses):
        assert pose is not None
        turn = Rotation.from_euler("ZYX", [0.4 + 0.1 * i, -0.03, 0.02]).as_matrix()
        np.testing.assert_allclose(pose.rotation, turn, atol=1e-12)
        imu = pose.apply(T_IMU[None])[0] - poses[0].apply(T_IMU[None])[0]  # where the imu went, seen from its start
        np.testing.assert_allclose(imu[[0, 2]], [np.radians(2e-5 * i) * scale, i], atol=1e-6)
        assert imu[1] == pytest.approx(np.radians(1e-5 * i) * 6378137.0, abs=1e-5)  # mercator is true to scale here
    np.testing.assert_allclose(poses[0].translation, 0, atol=1e-12)


def test_mercator_keeps_angles_and_turns_the_right_way() -> None:
    north = oxts_pose(np.array([49.0001, 8.4, 5, 0, 0, np.pi / 2]), 49.0)
    start = oxts_pose(np.array([49.0, 8.4, 5, 0, 0, 0]), 49.0)
    np.testing.assert_allclose(north.translation - start.translation, [0, np.radians(1e-4) * 6378137, 0], rtol=1e-5)
    np.testing.assert_allclose(north.apply([[1.0, 0, 0]])[0] - north.translation, [0, 1, 0], atol=1e-9)


def test_frames_without_times_are_one_second_apart(raw: Path) -> None:
    source = KittiSource(raw, cameras=["image_02"], drives=["0002"])
    assert [s.pair.stamp for s in source] == [0, 10**9, 2 * 10**9]
    assert source[0].T_world_lidar is None


def test_raw_opens_at_dates_date_and_drive(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(KittiSource(raw)) == len(KittiSource(raw / DATE)) == 12
    assert KittiSource(raw / DATE / DRIVE).drives == ("2011_09_26_drive_0001",)
    monkeypatch.chdir(raw / DATE / DRIVE)
    assert len(KittiSource(Path())) == 6


def test_odometry_gives_times_and_the_lidar_world(odometry: Path) -> None:
    source = KittiSource(odometry, cameras=["image_02"])
    assert source.drives == ("04", "11")
    samples = list(source)
    assert [s.pair.stamp for s in samples[:3]] == [0, 104128400, 208253600]
    assert samples[1].pair.name == "04/000001/image_2"
    check_projection(samples[1], 2)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R_RECT @ R_VELO, R_RECT @ T_VELO
    for sample, pose in zip(samples, camera_poses(), strict=False):
        assert sample.T_world_lidar is not None
        np.testing.assert_allclose(sample.T_world_lidar.matrix, np.linalg.inv(T) @ pose @ T, atol=1e-9)
    assert samples[2].T_world_lidar is not None
    assert samples[2].T_world_lidar.translation[0] == pytest.approx(2.6, abs=0.1)  # forward is x
    assert samples[3].T_world_lidar is None  # sequence 11 has no poses
    assert [s.pair.stamp for s in samples[3:]] == [0, 10**9, 2 * 10**9]


def test_odometry_opens_at_sequences_and_at_one(odometry: Path) -> None:
    assert len(KittiSource(odometry / "sequences")) == 12
    assert len(KittiSource(odometry, drives=["11"])) == 6
    one = KittiSource(odometry / "sequences" / "04")
    assert one.drives == ("04",)
    assert one[0].T_world_lidar is not None


def test_object_reads_a_calibration_for_each_frame(objects: Path) -> None:
    for root in (objects, objects / "training"):
        source = KittiSource(root)
        assert (len(source), source.drives) == (2, ("training",))
        assert [s.pair.name for s in source] == ["training/000000/image_2", "training/000001/image_2"]
        assert [s.pair.stamp for s in source] == [0, 10**9]
        for i, sample in enumerate(source):
            check_projection(sample, 2, T_VELO + 0.01 * i)
            assert sample.T_world_lidar is None


def test_a_folder_of_layouts_gives_all_of_them(raw: Path, odometry: Path, objects: Path) -> None:
    assert raw.parent == odometry.parent == objects.parent
    source = KittiSource(raw.parent)
    assert len(source) == 12 + 12 + 2
    assert source.drives == ("2011_09_26_drive_0001", "2011_09_26_drive_0002", "04", "11", "training")
    assert KittiSource(raw.parent, drives=["04", "0002"]).drives == ("2011_09_26_drive_0002", "04")


def test_frames_that_lack_a_half_are_counted(raw: Path) -> None:
    drive = raw / DATE / DRIVE
    (drive / "image_02/data/0000000000.png").unlink()
    (drive / "velodyne_points/data/0000000002.bin").unlink()
    (drive / "image_02/data/notes.png").write_text("not a frame")
    source = KittiSource(raw, drives=["0001"])
    assert [s.pair.name[-19:] for s in source] == ["0000000000/image_03", "0000000001/image_02", "0000000001/image_03"]
    assert source.skipped == 3  # cloud 0 for camera 2, image 2 of both cameras


def test_a_drive_without_clouds_is_counted_and_left_out(raw: Path) -> None:
    shutil.rmtree(raw / DATE / DRIVE / "velodyne_points")
    source = KittiSource(raw)
    assert (source.drives, source.skipped) == (("2011_09_26_drive_0002",), 6)
    refused("no frame with both .* and a cloud .6 files lack their other half", raw, drives=["0001"])


def test_indexing_behaves_like_a_sequence(raw: Path) -> None:
    source = KittiSource(raw, drives=["0001"])
    assert source[-1].pair.name.endswith("0000000002/image_03")
    with pytest.raises(IndexError):
        source[6]


def refused(match: str, root: Path, **options: object) -> None:
    """Either opening or reading every sample must fail with one clear error."""
    with pytest.raises(InputError, match=match) as caught:
        list(KittiSource(root, **options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_missing_empty_and_unknown_folders(tmp_path: Path) -> None:
    refused("is not a folder", tmp_path / "absent")
    refused("is empty; expected raw", tmp_path)
    (tmp_path / "other").mkdir()
    refused("has no KITTI layout; expected raw .*odometry.*object", tmp_path)


def test_wrong_drives_and_cameras(raw: Path) -> None:
    refused("no drive '0009'; there are 2011_09_26_drive_0001, 2011_09_26_drive_0002", raw, drives=["0001", "0009"])
    refused("no drive", raw, drives=[])
    refused("no camera 'left'", raw, cameras=["left"])
    refused("no frame with both an image of image_00", raw, cameras=["image_00"])


@pytest.mark.parametrize("name", ["calib_cam_to_cam.txt", "calib_velo_to_cam.txt"])
def test_a_missing_raw_calibration_is_named(raw: Path, name: str) -> None:
    (raw / DATE / name).unlink()
    refused(name, raw)


def test_a_missing_calibration_is_named(odometry: Path, objects: Path) -> None:
    (odometry / "sequences/04/calib.txt").unlink()
    refused("04/calib.txt", odometry)
    (objects / "training/calib/000001.txt").unlink()
    refused("calib/000001.txt", objects)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("P_rect_02", "P_02", "has no row 'P_rect_02'"),
        (f"S_rect_02: {SIZE[0]:.6e}", "S_rect_02: ", "S_rect_02 needs 2 finite numbers, got"),
        ("S_rect_02: 4", "S_rect_02: 9", "48x24 but .* is for 98x24"),
        ("R_rect_00: ", "R_rect_00: 2", "R_rect_00: the rotation"),
        ("P_rect_02: 40", "P_rect_02: -40", "not calibrated"),
        ("S_rect_02: 4", "S_rect_02: nan ", "S_rect_02 needs 2 finite numbers"),
    ],
)
def test_a_wrong_calibration_is_told(raw: Path, old: str, new: str, match: str) -> None:
    path = raw / DATE / "calib_cam_to_cam.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    refused(match, raw)


def test_a_calibration_that_is_not_text(raw: Path) -> None:
    (raw / DATE / "calib_velo_to_cam.txt").write_bytes(bytes(range(256)))
    refused("calib_velo_to_cam.txt", raw)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_a_broken_image_is_named(raw: Path, content: bytes | None) -> None:
    path = raw / DATE / DRIVE / "image_02/data/0000000001.png"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    refused("0000000001.png is not a readable image", raw)


@pytest.mark.parametrize("size", [0, 8, 50 * 16 - 4])
def test_a_truncated_cloud_is_named(raw: Path, size: int) -> None:
    path = raw / DATE / DRIVE / "velodyne_points/data/0000000001.bin"
    path.write_bytes(path.read_bytes()[:size])
    refused(f"0000000001.bin has {size} bytes", raw)


def test_clouds_of_a_waymo_export_have_six_columns(raw: Path) -> None:
    path = raw / DATE / DRIVE / "velodyne_points/data/0000000000.bin"
    cloud, n = sweep(0).astype("<f4"), len(sweep(0))
    np.hstack([cloud * [1, 1, 1, 255], np.zeros((n, 1)), np.arange(n)[:, None]]).astype("<f4").tofile(path)
    found = KittiSource(raw)[0].pair.cloud
    np.testing.assert_array_equal(found.xyz, cloud[:, :3])
    assert found.intensity is not None
    np.testing.assert_allclose(found.intensity, cloud[:, 3], atol=1e-6)


def test_a_short_cloud_has_the_columns_of_its_drive(raw: Path) -> None:
    """Few points do not tell how many columns they have."""
    clouds = raw / DATE / DRIVE / "velodyne_points/data"
    cloud = np.hstack([sweep(0), np.zeros((len(sweep(0)), 1)), np.arange(len(sweep(0)))[:, None]]).astype("<f4")
    for stem, count in (("0000000000", len(cloud)), ("0000000001", 200)):
        cloud[:count].tofile(clouds / f"{stem}.bin")
    source = KittiSource(raw, cameras=["image_02"], drives=["0001"])
    np.testing.assert_array_equal(source[0].pair.cloud.xyz, cloud[:, :3])
    np.testing.assert_array_equal(source[1].pair.cloud.xyz, cloud[:200, :3])


def test_an_empty_layout_with_another_name_of_its_image_folder_is_named(
    objects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LeftImages(ObjectSplit):
        def images(self, camera: int) -> Path:
            return self.folder / "left"

    monkeypatch.setattr(kitti, "find_drives", lambda root: {"training": partial(LeftImages, root / "training")})
    refused("images of image_2", objects)


def test_a_cloud_that_went_away_is_named(raw: Path) -> None:
    source = KittiSource(raw)
    shutil.rmtree(raw / DATE / DRIVE / "velodyne_points")
    with pytest.raises(InputError, match=r"0000000000\.bin"):
        source[0]


@pytest.mark.parametrize(
    ("path", "content", "match"),
    [
        ("sequences/04/times.txt", "0\n0.1\n", "has 2 lines but there is a frame 000002"),
        ("sequences/04/times.txt", "0\n0.1\nnoon\n", "one time a line"),
        ("sequences/04/times.txt", "0\n0.1\ninf\n", "one time a line"),
        ("poses/04.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n", "has 1 lines but there is a frame 000001"),
        ("poses/04.txt", "1 0 0\n", "needs 12 finite numbers"),
        ("poses/04.txt", "1 0 0 0 0 1 0 0 0 0 1 x\n", "04.txt: could not convert"),
        ("poses/04.txt", "2 0 0 0 0 1 0 0 0 0 1 0\n", "line 1: the rotation"),
        ("sequences/04/calib.txt", "Tr: 1 0 0\n", "Tr needs 12 finite numbers"),
    ],
)
def test_wrong_odometry_texts_are_told(odometry: Path, path: str, content: str, match: str) -> None:
    (odometry / path).write_text(content)
    refused(match, odometry)


@pytest.mark.parametrize("line", ["", "49 8.4 116", "49 8.4 116 0 0 nan", "north 8.4 116 0 0 0"])
def test_a_wrong_oxts_record_is_named(raw: Path, line: str) -> None:
    (raw / DATE / DRIVE / "oxts/data/0000000002.txt").write_text(line)
    refused("0000000002.txt", raw, drives=["0001"])


def test_times_keep_every_nanosecond(tmp_path: Path) -> None:
    path = tmp_path / "times.txt"
    path.write_text("2011-09-26 13:02:25.000000001\n\n2011-09-26 13:02:25\n1317042145.123456789\n-0.5\n")
    second = 1317042145 * 10**9
    assert read_stamps(path) == [second + 1, second, second + 123456789, -(10**9) // 2]
    path.write_text("2011-13-26 13:02:25\n")
    with pytest.raises(InputError, match="one time a line"):
        read_stamps(path)


def test_the_rotation_that_a_jpeg_states_is_not_applied(tmp_path: Path) -> None:
    """The calibration is for the pixels as they are stored."""
    plain, turned = tmp_path / "plain.jpg", tmp_path / "turned.jpg"
    cv2.imwrite(str(plain), picture(0))
    data = plain.read_bytes()
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, 6, 0)  # orientation 6: by 90 deg
    turned.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    assert cv2.imread(str(turned)).shape[:2] == SIZE  # width, height: OpenCV turns it
    np.testing.assert_array_equal(read_image(turned), read_image(plain))


def test_a_grey_image_reads_as_rgb(tmp_path: Path) -> None:
    grey = picture(0)[..., 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))


def test_real_drives(kitti_root: Path) -> None:
    raw = KittiSource(kitti_root / "raw", drives=["0052", "9002"])
    assert raw.drives == ("2011_09_26_drive_0052", "2011_09_26_drive_9002")
    assert raw.skipped == 0
    sequence = KittiSource(kitti_root / "odometry")
    left, right = sequence[0], sequence[1]
    assert left.pair.image.shape == (370, 1226, 3)
    assert left.T_camera_lidar is not None
    assert right.T_camera_lidar is not None
    baseline = (right.T_camera_lidar @ left.T_camera_lidar.inverse()).translation
    assert baseline[0] == pytest.approx(-0.54, abs=0.01)
    for sample in (raw[0], left):
        assert sample.T_camera_lidar is not None
        _, inside = sample.pair.camera.project(sample.T_camera_lidar.apply(sample.pair.cloud.xyz))
        assert 10_000 < inside.sum() < len(sample.pair.cloud) / 3
    world = sequence[len(sequence) - 1].T_world_lidar
    assert isinstance(world, Pose)
    assert world.translation[0] > 1.0

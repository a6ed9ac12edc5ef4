# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI folders as people have them: tracking benchmark, KITTI-360, JPEG copies, folders that lack a part."""

from __future__ import annotations

import shutil
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
    K,
    P,
    check_projection,
    picture,
    points,
    text,
    write_frame,
)
from scipy.spatial.transform import Rotation

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.evaluation.monitoring import Checker
from i2p_ros.sources.kitti import KittiSource
from i2p_ros.sources.opening import open_source

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
DRIVE_360 = "2013_05_28_drive_0003_sync"
TR_VELO = np.column_stack([R_VELO, T_VELO])
T_CAM1 = np.array([0.6, 0.01, -0.02])  # of camera 1 in the frame of camera 0, KITTI-360
R_CAM1 = Rotation.from_rotvec([0.002, 0.003, -0.001]).as_matrix()
R_RECT1 = Rotation.from_rotvec([-0.01, 0.004, 0.002]).as_matrix()
R_RIG = Rotation.from_euler("xyz", [1.5, 0.1, 1.6]).as_matrix()
T_RIG = np.array([1.57, 0.04, -1.1])
RIG_POSE = np.column_stack([Rotation.from_rotvec([0, 0, 0.7]).as_matrix(), [1500.25, 3800.5, 115.0]])


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A date of the raw layout with one drive of two frames, with oxts."""
    date = tmp_path / DATE
    for i in range(2):
        write_frame([date / DRIVE / "image_02" / "data"], date / DRIVE / "velodyne_points" / "data", f"{i:010d}")
    (date / DRIVE / "oxts" / "data").mkdir(parents=True)
    for i in range(2):
        (date / DRIVE / "oxts" / "data" / f"{i:010d}.txt").write_text(f"49 {8.4 + 1e-5 * i} 116 0 0 0")
    rows = [f"R_rect_00: {text(R_RECT)}"] + [f"S_rect_0{c}: {SIZE[0]} {SIZE[1]}\nP_rect_0{c}: {text(P[c])}" for c in P]
    (date / "calib_cam_to_cam.txt").write_text("\n".join(rows))
    (date / "calib_velo_to_cam.txt").write_text(f"R: {text(R_VELO)}\nT: {text(T_VELO)}\n")
    (date / "calib_imu_to_velo.txt").write_text(f"R: {text(np.eye(3))}\nT: {text(T_IMU)}\n")
    return date


@pytest.fixture
def tracking(tmp_path: Path) -> Path:
    """A tracking data set: training 0000 with oxts and 0001, testing 0000."""
    root = tmp_path / "tracking"
    for split, number in (("training", "0000"), ("training", "0001"), ("testing", "0000")):
        folder = root / split
        for i in range(3):
            images = [folder / name / number for name in ("image_02", "image_03")]
            write_frame(images, folder / "velodyne" / number, f"{i:06d}")
        rows = [f"P{c}: {text(P[c])}" for c in P] + [f"R_rect {text(R_RECT)}", f"Tr_velo_cam {text(TR_VELO)}"]
        rows.append(f"Tr_imu_velo {text(np.column_stack([np.eye(3), T_IMU]))}")
        (folder / "calib").mkdir(exist_ok=True)
        (folder / "calib" / f"{number}.txt").write_text("\n".join(rows) + "\n\n")
    (root / "training" / "oxts").mkdir()
    lines = [f"49.01 {8.43 + 2e-5 * i} 116 0.02 -0.03 {0.4 + 0.1 * i} 9 9\n" for i in range(3)]
    (root / "training" / "oxts" / "0000.txt").write_text("".join(lines))
    return root


@pytest.fixture
def kitti_360(tmp_path: Path) -> Path:
    """A folder of KITTI-360: one drive with both perspective cameras, a fisheye, and poses of frames 1 and 2."""
    root = tmp_path / "KITTI-360"
    images, calibration = root / "data_2d_raw" / DRIVE_360, root / "calibration"
    for i in range(3):
        folders = [
            images / "image_00" / "data_rect",
            images / "image_01" / "data_rect",
            images / "image_02" / "data_rgb",
        ]
        write_frame(folders, root / "data_3d_raw" / DRIVE_360 / "velodyne_points" / "data", f"{i:010d}")
    times = [f"2013-05-28 08:46:02.{i}00000001\n" for i in range(3)]
    for name in ("image_00", "image_01"):
        (images / name / "timestamps.txt").write_text("".join(times))
    calibration.mkdir()
    rows = ["calib_time: 01-Jan-2014 00:00:00"]
    for camera, rect in enumerate((R_RECT, R_RECT1)):
        rows += [f"S_rect_0{camera}: {SIZE[0]:.6f} {SIZE[1]:.6f}", f"R_rect_0{camera}: {text(rect)}"]
        rows.append(f"P_rect_0{camera}: {text(np.column_stack([K, [-200.0 * camera, 0, 0]]))}")
    (calibration / "perspective.txt").write_text("\n".join(rows))
    R, t = R_VELO.T, -R_VELO.T @ T_VELO
    (calibration / "calib_cam_to_velo.txt").write_text(text(np.column_stack([R, t])))
    cam1 = np.column_stack([R_RIG @ R_CAM1, R_RIG @ T_CAM1 + T_RIG])
    rig = {"image_00": np.column_stack([R_RIG, T_RIG]), "image_01": cam1}
    (calibration / "calib_cam_to_pose.txt").write_text("\n".join(f"{name}: {text(T)}" for name, T in rig.items()))
    (root / "data_poses" / DRIVE_360).mkdir(parents=True)
    (root / "data_poses" / DRIVE_360 / "poses.txt").write_text(f"1 {text(RIG_POSE)}\n2 {text(RIG_POSE)}\n")
    return root


def homogeneous(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, [0.0, 0, 0, 1]])


def refused(match: str, reason: str, root: Path, **options: object) -> None:
    with pytest.raises(InputError, match=match) as caught:
        list(KittiSource(root, **options))  # type: ignore[arg-type]
    assert caught.value.reason == reason and "\n" not in str(caught.value)


def test_the_tracking_benchmark_is_read(tracking: Path) -> None:
    source = KittiSource(tracking)
    assert (len(source), source.skipped) == (18, 0)
    assert source.drives == ("training_0000", "training_0001", "testing_0000")
    sample = source[2]
    assert sample.pair.name == "training_0000/000001/image_02" and sample.pair.stamp == 100_000_000
    np.testing.assert_array_equal(sample.pair.image, picture(10))
    np.testing.assert_array_equal(sample.pair.cloud.xyz, points(1)[:, :3])
    check_projection(sample, 2)
    check_projection(source[3], 3)


def test_the_tracking_benchmark_has_a_world_where_it_has_oxts(tracking: Path) -> None:
    first, second = (
        sample.T_world_lidar for sample in list(KittiSource(tracking, ["image_02"], ["training_0000"]))[:2]
    )
    assert first is not None and second is not None
    np.testing.assert_allclose(first.translation, 0, atol=1e-12)
    np.testing.assert_allclose(second.rotation, Rotation.from_euler("ZYX", [0.5, -0.03, 0.02]).as_matrix(), atol=1e-12)
    moved = second.apply(T_IMU[None])[0] - first.apply(T_IMU[None])[0]
    np.testing.assert_allclose(moved, [np.radians(2e-5) * np.cos(np.radians(49.01)) * 6378137.0, 0, 0], atol=1e-6)
    assert KittiSource(tracking, drives=["0001"])[0].T_world_lidar is None


def test_the_tracking_benchmark_opens_at_a_split_and_by_numbers(tracking: Path) -> None:
    assert KittiSource(tracking / "training").drives == ("training_0000", "training_0001")
    assert KittiSource(tracking, drives=["0000"]).drives == ("training_0000", "testing_0000")
    assert KittiSource(tracking.parent).drives == KittiSource(tracking).drives
    assert len(open_source("auto", tracking, settings=Settings())) == 18


def test_a_tracking_sequence_whose_oxts_are_too_short_is_told(tracking: Path) -> None:
    (tracking / "training/oxts/0000.txt").write_text("49 8.4 116 0 0 0\n")
    refused("0000.txt has 1 lines but there is a frame 000001", "times", tracking)


def test_kitti_360_is_read_as_its_scripts_do(kitti_360: Path) -> None:
    source = KittiSource(kitti_360)
    assert (len(source), source.skipped, source.drives) == (6, 0, ("2013_05_28_drive_0003",))
    for sample, R, t, rect in (
        (source[2], np.eye(3), np.zeros(3), R_RECT),
        (source[3], R_CAM1, T_CAM1, R_RECT1),
    ):
        xyz = sample.pair.cloud.xyz.astype(np.float64)
        camera0 = xyz @ R_VELO.T + T_VELO
        wanted = (camera0 - t) @ R @ rect.T @ K.T
        assert sample.T_camera_lidar is not None
        ours = sample.pair.camera.project(sample.T_camera_lidar.apply(xyz))[0]
        np.testing.assert_allclose(ours, wanted[:, :2] / wanted[:, 2:], atol=1e-8)
        assert sample.pair.stamp == 1369730762_100000001
    assert source[3].pair.name == "2013_05_28_drive_0003/0000000001/image_01"
    np.testing.assert_array_equal(source[3].pair.image, picture(11))


def test_kitti_360_has_poses_for_the_frames_that_its_file_names(kitti_360: Path) -> None:
    poses = [sample.T_world_lidar for sample in KittiSource(kitti_360, ["image_00"])]
    assert poses[0] is None and poses[1] is not None
    rig, velo = homogeneous(np.column_stack([R_RIG, T_RIG])), homogeneous(TR_VELO)
    np.testing.assert_allclose(poses[1].matrix, homogeneous(RIG_POSE) @ rig @ velo, atol=1e-9)
    (kitti_360 / "calibration/calib_cam_to_pose.txt").unlink()
    assert [sample.T_world_lidar for sample in KittiSource(kitti_360, ["image_00"])] == [None] * 3
    refused("calib_cam_to_pose.txt", "calibration", kitti_360, cameras=["image_01"])


def test_kitti_360_opens_at_its_parts_and_at_a_drive(kitti_360: Path) -> None:
    shutil.copytree(kitti_360 / "data_3d_raw" / DRIVE_360, kitti_360 / "data_3d_raw" / DRIVE_360.replace("3_s", "4_s"))
    for part in ("data_3d_raw", "data_2d_raw"):
        assert len(KittiSource(kitti_360 / part)) == len(KittiSource(kitti_360 / part / DRIVE_360)) == 6
    assert len(KittiSource(kitti_360.parent)) == 6
    refused("drive_0004 has 3 clouds", "source.empty", kitti_360, drives=["0004"])


def test_a_fisheye_of_kitti_360_is_named(kitti_360: Path) -> None:
    refused(
        "image_02 of KITTI-360 is a fisheye camera.*choose .*image_00", "source.camera", kitti_360, cameras=["image_02"]
    )


def test_a_kitti_360_folder_without_its_calibration_names_the_file(kitti_360: Path) -> None:
    for name in ("calib_cam_to_velo.txt", "perspective.txt"):
        (kitti_360 / "calibration" / name).unlink()
        refused(name, "calibration", kitti_360)


def test_calib_imu_to_velo_is_needed_for_no_pair(raw: Path) -> None:
    with_world = KittiSource(raw)[1]
    (raw / "calib_imu_to_velo.txt").unlink()
    without = KittiSource(raw)[1]
    assert with_world.T_world_lidar is not None and without.T_world_lidar is None
    check_projection(without, 2)


def test_calibration_files_may_lie_in_the_drive(raw: Path) -> None:
    for path in raw.glob("calib*"):
        path.rename(raw / DRIVE / path.name)
    sample = KittiSource(raw)[1]
    check_projection(sample, 2)
    assert sample.T_world_lidar is not None


def test_a_drive_that_is_not_synchronised_is_named(raw: Path) -> None:
    drive = (raw / DRIVE).rename(raw / DRIVE.replace("_sync", "_extract"))
    for root in (raw, drive):
        refused("is not synchronised: .* use the drive that ends in _sync", "source.layout", root)
    shutil.copytree(drive, raw / DRIVE)
    assert len(KittiSource(raw)) == 2


def test_images_that_were_converted_to_jpeg_are_read(raw: Path) -> None:
    for path in (raw / DRIVE / "image_02" / "data").glob("*.png"):
        cv2.imwrite(str(path.with_suffix(".jpg")), np.full((SIZE[1], SIZE[0], 3), (10, 90, 200), np.uint8))
        path.unlink()
    image = KittiSource(raw)[1].pair.image
    assert np.abs(image.mean(axis=(0, 1)) - [200, 90, 10]).max() < 3


@pytest.mark.parametrize(("folder", "match"), [
    ("image_02", "0001 has 2 clouds in .*, and images of no camera"),
    ("velodyne_points", "0001 has 0 clouds in .*, and images of image_02"),
])  # fmt: skip
def test_a_folder_without_images_or_clouds_says_what_it_has(raw: Path, folder: str, match: str) -> None:
    shutil.rmtree(raw / DRIVE / folder)
    refused(match, "source.empty", raw)


def test_grey_images_alone_are_named(raw: Path) -> None:
    (raw / DRIVE / "image_02").rename(raw / DRIVE / "image_00")
    refused("images of image_00", "source.empty", raw)
    assert len(KittiSource(raw, ["image_00"])) == 2


def test_files_of_results_take_the_names_of_tracking_sequences(tracking: Path) -> None:
    parts = Checker(Settings()).parts(tracking)
    assert [part.drive for part in parts] == ["training_0000", "training_0001", "testing_0000"]
    assert not any("/" in part.drive for part in parts)

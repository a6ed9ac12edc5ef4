# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files of KITTI, Autoware and direct_visual_lidar_calibration, against the sources and against scipy."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from i2p_ros.core.config import Settings, SyntheticSettings
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Pose
from i2p_ros.sources.nominal import MAX_BYTES, read_nominal
from i2p_ros.sources.opening import open_source
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_kitti_raw

KIT = """
sensor_kit_base_link:
  camera0/camera_link: {x: 0.1, y: 0.2, z: 0.3, roll: 0.01, pitch: -0.02, yaw: 0.5}
  velodyne_top_base_link: {x: 0.0, y: 0.0, z: 1.0, roll: 0.0, pitch: 0.1, yaw: 1.5}
base_link:
  sensor_kit_base_link: {x: 1, y: 0, z: 1.5, roll: 0, pitch: 0, yaw: 0}
"""
KITTI = os.environ.get("I2P_KITTI", "")


def test_a_raw_calibration_of_kitti_is_that_of_its_source(tmp_path: Path) -> None:
    write_kitti_raw(SyntheticSource(SyntheticSettings(drive=True, points=2000), 3, 1), tmp_path / "kitti")
    (file,) = (tmp_path / "kitti").rglob("calib_velo_to_cam.txt")
    sample = open_source("auto", tmp_path / "kitti", settings=Settings())[0]
    assert sample.T_camera_lidar is not None
    assert np.allclose(read_nominal(file, "image_02").matrix, sample.T_camera_lidar.matrix, atol=1e-6)
    assert np.allclose(read_nominal(file, "image_02", "velodyne", named=False).matrix, sample.T_camera_lidar.matrix)
    with pytest.raises(InputError, match="image_00 to image_03, not of 'front'"):
        read_nominal(file, "front", "roof")


@pytest.mark.skipif(not KITTI, reason="set I2P_KITTI to a folder with KITTI's odometry")
@pytest.mark.parametrize("camera", ["image_2", "image_3"])
def test_calib_txt_of_the_odometry_benchmark_is_that_of_its_source(camera: str) -> None:
    source = open_source("auto", f"{KITTI}/odometry", settings=Settings(), cameras=[camera], drives=["04"])
    pose = read_nominal(Path(KITTI) / "odometry" / "sequences" / "04" / "calib.txt", camera)
    expected = source[0].T_camera_lidar
    assert expected is not None and np.allclose(pose.matrix, expected.matrix, atol=1e-9)


def test_a_sensor_kit_of_autoware_is_read_as_scipy_would_with_the_optical_frame_of_the_camera(tmp_path: Path) -> None:
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    file = tmp_path / "sensor_kit_calibration.yaml"
    file.write_text(KIT)
    T_kit_camera = Pose(rotation.from_euler("xyz", [0.01, -0.02, 0.5]).as_matrix(), [0.1, 0.2, 0.3])
    T_kit_lidar = Pose(rotation.from_euler("xyz", [0.0, 0.1, 1.5]).as_matrix(), [0.0, 0.0, 1.0])
    T_link_optical = Pose(rotation.from_euler("xyz", [-np.pi / 2, 0, -np.pi / 2]).as_matrix(), np.zeros(3))
    body = read_nominal(file, "camera0/camera_link", "velodyne_top_base_link")
    assert np.allclose(body.matrix, (T_kit_camera.inverse() @ T_kit_lidar).matrix)
    optical = read_nominal(file, "camera0/camera_optical_link", "velodyne_top_base_link")
    assert np.allclose(optical.matrix, ((T_kit_camera @ T_link_optical).inverse() @ T_kit_lidar).matrix)
    with pytest.raises(InputError, match=r"it has the frames .*camera0/camera_optical_link.*velodyne_top_base_link"):
        read_nominal(file, "camera0/camera_link", "velodyne_top")


def test_calib_json_is_read_with_any_names_of_frames(tmp_path: Path) -> None:
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    turn = rotation.from_euler("xyz", [-1.5, 0.1, -1.6])
    file = tmp_path / "calib.json"
    file.write_text(json.dumps({"results": {"T_lidar_camera": [0.1, 0.2, 0.3, *turn.as_quat()]}}))
    expected = Pose(turn.as_matrix(), [0.1, 0.2, 0.3]).inverse()
    for frames in (("camera", "lidar"), ("", "")):
        assert np.allclose(read_nominal(file, *frames).matrix, expected.matrix)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("a.json", "{}", "expected results"), ("a.json", "[", "expected results"), ("a.json", "3", "expected results"),
     ("a.json", '{"results": {"T_lidar_camera": [1, 2]}}', "2 numbers"),
     ("a.json", '{"results": {"T_lidar_camera": [0, 0, 0, 0, 0, 0, 0]}}', "quaternion"),
     ("a.json", '{"results": {"T_lidar_camera": [NaN, 0, 0, 0, 0, 0, 1]}}', "finite"),
     ("a.json", "[" * 100_000, "no calibration"),
     ("calib.txt", "P0: 1 2", "expected Tr"), ("calib.txt", "Tr: 1 2 3", "Tr needs 12"),
     ("calib.txt", "", "no rows"), ("calib_velo_to_cam.txt", "R: 1\nT: 2", "calib_cam_to_cam.txt"),
     ("kit.yaml", "a:\n  b: {x: 0, y: 0, z: 0, roll: 0, pitch: 0, yaw: hello}", "hello"),
     ("kit.yaml", "a:\n  b: {x: 0, y: 0, z: 0, roll: 0, pitch: 0, yaw: 0}", "name the frames"),
     ("kit.yaml", "a: {b: {x: 0, y: 0, z: 0, roll: 0, pitch: 0}}", "no calibration"),
     ("kit.yaml", "[" * 5000, "no calibration"),
     ("car.xacro", "<robot>${x}</robot>", "no fixed joint")],
)  # fmt: skip
def test_other_content_is_one_clear_error(tmp_path: Path, name: str, text: str, why: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        read_nominal(file, "" if "name the" in why else "image_02", "")
    assert str(tmp_path) in str(caught.value) and caught.value.reason.startswith("calibration.")


def test_a_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with file.open("wb") as written:
        written.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="more than 10 MB"):
        read_nominal(file)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files as ROS, OpenCV, Kalibr and EuRoC write them."""

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.sources.camera_files import read_camera

K = [500.5, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
BARREL = [-0.3, 0.1, 1e-05, 0.002, 0.01]
FISHEYE = [-0.002, 0.0376, -0.0364, 0.0059]
RATIONAL = [0.1, 0.02, 0.001, 0.002, 0.01, 0.05, 0.01, 0.003]
PINHOLE = Camera(500.5, 510.0, 319.5, 239.5, 640, 480)

ROS = """image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [500.5, 0, 319.5, 0, 510, 239.5, 0, 0, 1]
distortion_model: %s
distortion_coefficients:
  rows: 1
  cols: %d
  data: %s
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [400, 0, 320, 0, 0, 400, 240, 0, 0, 0, 1, 0]}
"""
CAM0 = """cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.3, 0.1, 1.0e-05, 0.002]
  distortion_model: radtan
  intrinsics: [500.5, 510.0, 319.5, 239.5]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
"""
CAM1 = """cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.11]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [-0.002, 0.0376, -0.0364, 0.0059]
  distortion_model: equidistant
  intrinsics: [190.978, 190.973, 254.931, 256.897]
  resolution: [512, 512]
  rostopic: /cam1/image_raw
"""
EUROC = """sensor_type: camera
comment: VI-Sensor cam0 (MT9M034)
T_BS: {cols: 4, rows: 4, data: [0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}
rate_hz: 20
resolution: [752, 480]
camera_model: pinhole
intrinsics: [458.654, 457.296, 367.215, 248.375] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]
"""


def read(tmp_path, text, name="camera.yaml", size=None, chosen=""):
    (tmp_path / name).write_text(text)
    return read_camera(tmp_path / f"{name}{chosen}", size)


def refused(reason, match, *args, **kwargs):
    with pytest.raises(InputError, match=match) as caught:
        read(*args, **kwargs)
    assert caught.value.reason == reason and "camera.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "d", "model"),
    [
        ("plumb_bob", BARREL, "plumb_bob"),
        ("rational_polynomial", RATIONAL, "rational_polynomial"),
        ("equidistant", FISHEYE, "equidistant"),
        ("fisheye", FISHEYE, "equidistant"),
        ("Plumb Bob", [*BARREL, 0, 0, 0], "plumb_bob"),
    ],
)
def test_a_ros_file_names_its_lens_as_camera_info_does(tmp_path, name, d, model):
    camera = read(tmp_path, ROS % (name, len(d), d))
    assert (camera.model, camera.distortion) == (model, tuple(v for v in d if v))
    np.testing.assert_array_equal(camera.matrix.ravel(), K)


@pytest.mark.parametrize("key", ["camera_matrix", "camera_model", "image_width"])
def test_a_yaml_file_of_aliases_does_not_expand(tmp_path, key):
    """362 bytes that stand for 10^7 words."""
    levels = "".join(f"a{k + 1}: &a{k + 1} [{', '.join([f'*a{k}'] * 10)}]\n" for k in range(7))
    path = tmp_path / "camera.yaml"
    for text in (f"a0: &a0 word\n{levels}{key}: *a7\n", f"intrinsics: &a [*a]\n{key}: *a\n"):
        path.write_text(text)
        with pytest.raises(InputError, match="more than 100000 values") as caught:
            read_camera(path)
        assert caught.value.reason == "camera.file" and len(str(caught.value)) < 1000


def test_a_camchain_in_which_cameras_share_lists_is_read(tmp_path):
    """PyYAML writes a list that is used twice as an alias."""
    cam0 = yaml.safe_load(CAM0)["cam0"]
    text = yaml.safe_dump({"cam0": cam0, "cam1": {**cam0, "camera_model": "pinhole"}})
    assert "*id001" in text
    (tmp_path / "camchain.yaml").write_text(text)
    assert read_camera(tmp_path / "camchain.yaml#cam0") == read_camera(tmp_path / "camchain.yaml#cam1")


def test_a_skewed_matrix_in_a_file_is_refused_by_name(tmp_path):
    text = (ROS % ("plumb_bob", 5, BARREL)).replace("[500.5, 0,", "[500.5, 4.26,")
    refused("camera_info.k", "the matrix has skew", tmp_path, text)


@pytest.mark.parametrize("name", ["none", "None", "Pinhole", "' pinhole '"])
def test_a_pinhole_in_any_case_needs_no_coefficients(tmp_path, name):
    matrix = "camera_matrix: {data: [500.5, 0, 319.5, 0, 510, 239.5, 0, 0, 1]}"
    (tmp_path / "a.yaml").write_text(f"image_width: 640\nimage_height: 480\n{matrix}\ndistortion_model: {name}\n")
    assert read_camera(tmp_path / "a.yaml") == PINHOLE


def test_coefficients_under_a_misspelt_name_are_not_dropped(tmp_path):
    """distortion_coefficents is in files that people share."""
    text = (ROS % ("plumb_bob", 5, BARREL)).replace("distortion_coefficients", "distortion_coefficents")
    refused("camera.file", "no distortion_coefficients", tmp_path, text)


def opencv_file(path, d=None, **values):
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in values.items():
        storage.write(name, value)
    if d is not None:
        storage.write("distortion_coefficients", np.array([d]).T)
    storage.release()
    return path


@pytest.mark.parametrize("suffix", ["yml", "yaml", "xml", "json"])
def test_opencv_files_in_every_format_of_file_storage(tmp_path, suffix):
    matrix = np.reshape(K, (3, 3))
    path = opencv_file(
        tmp_path / f"a.{suffix}", BARREL, image_width=640, image_height=480, camera_matrix=matrix, flags=0
    )
    camera = read_camera(path)
    assert camera == Camera.from_matrix(matrix, 640, 480, "plumb_bob", BARREL)


def test_an_opencv_file_of_versions_3_and_4(tmp_path):
    """Their first line, %YAML:1.0, is none that YAML knows."""
    text = """%YAML:1.0
---
calibration_time: "Mon 01 Jan 2024"
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.0050000000000000e+02, 0., 3.1950000000000000e+02, 0., 510.,
       2.3950000000000000e+02, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -3.0e-01, 1.0e-01, 1.0e-05, 2.0e-03, 1.0e-02 ]
avg_reprojection_error: 2.8e-01
"""
    assert read(tmp_path, text) == Camera.from_matrix(np.reshape(K, (3, 3)), 640, 480, "plumb_bob", BARREL)


@pytest.mark.parametrize(
    "names", [("K", "D"), ("cameraMatrix", "distCoeffs"), ("Camera_Matrix", "Distortion_Coefficients")]
)
def test_opencv_files_by_other_names_and_without_a_size(tmp_path, names):
    values = {names[0]: np.reshape(K, (3, 3)), names[1]: np.array([RATIONAL])}
    path = opencv_file(tmp_path / "a.yml", **values)
    assert read_camera(path, (640, 480)) == Camera.from_matrix(
        values[names[0]], 640, 480, "rational_polynomial", RATIONAL
    )
    with pytest.raises(InputError, match="imagewidth"):
        read_camera(path)


@pytest.mark.parametrize(("flag", "model"), [(1, "equidistant"), (0, "plumb_bob"), (None, None)])
def test_four_coefficients_of_opencv_are_of_the_lens_that_the_file_states(tmp_path, flag, model):
    values = {"image_width": 640, "image_height": 480, "camera_matrix": np.reshape(K, (3, 3))}
    if flag is not None:
        values["fisheye_model"] = flag
    path = opencv_file(tmp_path / "a.yml", FISHEYE, **values)
    if model:
        assert (read_camera(path).model, read_camera(path).distortion) == (model, tuple(FISHEYE))
    else:
        with pytest.raises(InputError, match=r"plumb_bob .* or equidistant"):
            read_camera(path)


def test_a_camchain_of_kalibr_with_radtan_and_equidistant(tmp_path):
    expected = Camera(500.5, 510.0, 319.5, 239.5, 640, 480, "plumb_bob", (-0.3, 0.1, 1e-5, 0.002))
    assert read(tmp_path, CAM0) == expected
    assert read(tmp_path, CAM0 + CAM1, chosen="#cam0") == expected
    fisheye = Camera(190.978, 190.973, 254.931, 256.897, 512, 512, "equidistant", tuple(FISHEYE))
    assert read(tmp_path, CAM0 + CAM1, chosen="#cam1") == fisheye
    assert read(tmp_path, "%YAML:1.0\n" + CAM1) == fisheye  # as OpenVINS keeps them


def test_a_camchain_of_several_cameras_asks_which(tmp_path):
    refused("camera.choice", r"2 cameras; choose camera.yaml#cam0 or camera.yaml#cam1", tmp_path, CAM0 + CAM1)
    refused("camera.choice", r"no camera 'cam7'; choose camera.yaml#cam0", tmp_path, CAM0, chosen="#cam7")
    refused("camera.choice", "of one camera", tmp_path, ROS % ("none", 0, []), chosen="#cam0")


@pytest.mark.parametrize("model", ["omni", "eucm", "ds"])
def test_projections_of_kalibr_that_are_no_pinhole_are_refused_by_name(tmp_path, model):
    refused("camera.model", repr(model), tmp_path, CAM0.replace("camera_model: pinhole", f"camera_model: {model}"))
    text = CAM0.replace("radtan", "fov").replace("[-0.3, 0.1, 1.0e-05, 0.002]", "[0.9]")
    refused("camera_info.distortion_model", "'fov' is not supported", tmp_path, text)


def test_a_camera_of_kalibr_without_distortion_and_a_sensor_of_euroc(tmp_path):
    text = CAM0.replace("radtan", "none").replace("[-0.3, 0.1, 1.0e-05, 0.002]", "[]")
    assert read(tmp_path, text) == PINHOLE
    euroc = read(tmp_path, EUROC)
    assert (euroc.fx, euroc.width, euroc.model) == (458.654, 752, "plumb_bob")
    assert euroc.distortion == (-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05)


@pytest.mark.parametrize(
    "text",
    [
        "", "[1, 2]", "a: !!python/object:os.system {}", "%YAML:1.0\n---\nCamera.fx: 500.0\n", "<a><b></a>",
        "<a/>", "\0",
        CAM0.replace("510.0, ", ""), CAM0.replace("[640, 480]", "640"), CAM0.replace("intrinsics", "intrinsic"),
        "cam0: 5", "image_width: 640\nimage_height: 480\ncamera_matrix: {data: [1, 2, 3]}", "k: " + "[" * 5000,
        "a: " + "1" * 2_000_000,
    ],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(tmp_path, text):
    refused("camera.file", "calibration", tmp_path, text)


def test_a_damaged_calibration_never_escapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    texts = [ROS % ("plumb_bob", 5, BARREL), CAM0 + CAM1, EUROC, yaml.safe_dump({"K": K, "D": BARREL})]
    texts.append(opencv_file(folder / "a.xml", BARREL, camera_matrix=np.reshape(K, (3, 3))).read_text())

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(texts), st.integers(0, 900), st.integers(0, 9), st.text(max_size=6))
    def damaged(text, at, removed, put):
        (folder / "a.yaml").write_text(text[:at] + put + text[at + removed :], errors="replace")
        try:
            camera = read_camera(folder / "a.yaml", (640, 480))
        except InputError as error:
            assert error.reason and str(error)
        else:
            assert camera.fx > 0 and camera.width > 0

    damaged()


def test_what_ros2_topic_echo_prints_is_read(tmp_path):
    file = tmp_path / "cam.yaml"
    file.write_text("width: 64\nheight: 48\nk: [50, 0, 32, 0, 50, 24, 0, 0, 1]\nd: []\n---\n")
    assert read_camera(file).fx == 50

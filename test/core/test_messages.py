# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of sound ROS messages, against NumPy and OpenCV. Those that are not sound: test_faults_*.py."""

import array
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.messages import (
    GOOD,
    GRAY,
    INFO,
    JPEG,
    RGB,
    XYZ,
    K,
    P,
    cloud,
    compressed,
    image,
    refused,
    wide,
    xyz,
)  # fmt: skip
from scipy.spatial.transform import Rotation

from i2p_ros.core.messages import (
    camera_from_message,
    cloud_from_message,
    frame_name,
    image_from_compressed,
    image_from_message,
    pose_from_transform,
    stamp_ns,
    transform_from_stamped,
)


def test_data_may_be_bytes_array_or_ndarray_and_is_copied():
    for wrap in (bytes, bytearray, lambda b: array.array("B", b), lambda b: np.frombuffer(b, np.uint8).copy()):
        message = image(RGB, "rgb8", wrap=wrap)
        decoded = image_from_message(message)
        np.testing.assert_array_equal(decoded, RGB)
        assert not np.shares_memory(decoded, np.frombuffer(message.data, np.uint8))


def test_a_message_of_another_type_is_refused():
    for decoder in (image_from_message, image_from_compressed):
        refused("message.type", decoder, SimpleNamespace(data=b""))
    refused("message.type", image_from_message, compressed())
    refused("message.type", image_from_compressed, GOOD)
    refused("message.type", cloud_from_message, GOOD)
    refused("message.type", camera_from_message, GOOD)


def test_compressed_images():
    np.testing.assert_array_equal(image_from_compressed(compressed()), RGB)
    np.testing.assert_array_equal(image_from_compressed(compressed(pixels=GRAY)), np.dstack([GRAY] * 3))
    np.testing.assert_array_equal(image_from_compressed(compressed(pixels=wide(GRAY))), np.dstack([GRAY] * 3))
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    for params in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)):
        decoded = image_from_compressed(compressed(".jpg", smooth, "jpeg", params))
        assert decoded.shape == (48, 64, 3) and np.abs(decoded - smooth.astype(int)).mean() < 8


def test_a_jpeg_with_fill_bytes_is_sound():
    filled = JPEG[:2] + b"\xff\xff" + JPEG[2:]
    decoded = image_from_compressed(SimpleNamespace(format="jpeg", data=filled))
    np.testing.assert_array_equal(decoded, image_from_compressed(SimpleNamespace(format="jpeg", data=JPEG)))


def test_a_compressed_bayer_mosaic_is_coloured():
    mosaic = np.tile(np.array([[200, 90], [90, 30]], np.uint8), (4, 5))
    decoded = image_from_compressed(compressed(pixels=mosaic, fmt="bayer_rggb8; png compressed "))
    assert (decoded == [200, 90, 30]).all()
    coloured = compressed(fmt="bayer_rggb8; png compressed bgr8")
    np.testing.assert_array_equal(image_from_compressed(coloured), RGB)


def test_an_exif_rotation_is_not_applied():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    plain = compressed(".jpg", np.zeros((16, 32, 3), np.uint8), "jpeg").data
    rotated = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape == (32, 16, 3)
    assert image_from_compressed(SimpleNamespace(format="jpeg", data=rotated)).shape == (16, 32, 3)


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i4", "i1"])
@pytest.mark.parametrize("layout", [{}, {"point_step": 64, "height": 5, "row_padding": 13, "first": 3}])
@pytest.mark.parametrize("bigendian", [False, True])
def test_clouds_of_any_layout(kind, layout, bigendian):
    values = np.linspace(0, 1, 50).astype(np.float32)
    decoded = cloud_from_message(cloud({**xyz(kind), "intensity": values}, bigendian=bigendian, **layout))
    np.testing.assert_array_equal(decoded.xyz, XYZ.astype(kind).astype(np.float32))
    np.testing.assert_array_equal(decoded.intensity, values)


def test_fields_in_any_order_among_others():
    columns = {"time": np.arange(50, dtype="f8"), **dict(reversed(xyz().items())), "ring": np.zeros(50, "u2")}
    decoded = cloud_from_message(cloud(columns))
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    assert decoded.intensity is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 51, 255], "u1"), [0, 0.2, 1]),
        (np.array([0, 13107, 65535], "u2"), [0, 0.2, 1]),
        (np.array([-5, 0, 127], "i1"), [0, 0, 1]),
        (np.array([0, 0.25, 1.5], "f4"), [0, 0.25, 1]),
        (np.array([0, 51, 255], "f4"), [0, 0.2, 1]),
        (np.array([0, 51, 255], "u2"), [0, 0.2, 1]),
        (np.array([0, 51, 255], "u4"), [0, 0.2, 1]),
        (np.array([0, 51, 100_000], "u4"), [0, 51 / 65535, 1]),
        (np.array([0, 1, 1], "u1"), [0, 1 / 255, 1 / 255]),
        (np.array([np.nan, -1, 1], "f8"), [0, 0, 1]),
        (np.array([np.inf, 0.5, 1], "f4"), [0, 0.5, 1]),
    ],
)
@pytest.mark.parametrize("bigendian", [False, True])
def test_intensity_is_brought_to_0_1(values, expected, bigendian):
    message = cloud({**xyz(), "reflectivity": np.resize(values, 50)}, bigendian=bigendian)
    decoded = cloud_from_message(message, intensity_field="reflectivity")
    np.testing.assert_allclose(decoded.intensity[:3], expected, atol=1e-6)
    assert cloud_from_message(message, intensity_field="intensity").intensity is None


@pytest.mark.parametrize("kind", ["f4", "f8", "u2", "u4", "i4"])
def test_ouster_photon_counts_are_scaled(kind):
    """Ouster's `intensity` is a count of photons in 16 bits, and usual surfaces give up to about 1000."""
    photons = np.resize([0, 12, 256, 1000], 50).astype(kind)
    reflectivity = np.resize([0, 51, 102, 255], 50).astype("u2")
    message = cloud({**xyz(), "intensity": photons, "reflectivity": reflectivity})
    np.testing.assert_allclose(cloud_from_message(message).intensity, photons / 65535, atol=1e-7)
    found = cloud_from_message(message, intensity_field="reflectivity").intensity
    np.testing.assert_allclose(found, reflectivity / 255, atol=1e-7)


def test_cameras_of_both_ros_versions():
    ros1 = SimpleNamespace(**{key.upper() if key in "kdp" else key: value for key, value in vars(INFO).items()})
    for message in (INFO, ros1):
        camera = camera_from_message(message)
        np.testing.assert_array_equal(camera.matrix.ravel(), K)
        assert (camera.width, camera.height, camera.model) == (640, 480, "plumb_bob")
        assert camera.distortion == tuple(INFO.d)
        rectified = camera_from_message(message, rectified=True)
        np.testing.assert_array_equal(rectified.matrix, np.reshape(P, (3, 4))[:, :3])
        assert rectified.distortion == ()


def test_stamps():
    assert stamp_ns(SimpleNamespace(sec=1700000000, nanosec=5)) == 1_700_000_000_000_000_005
    assert stamp_ns(SimpleNamespace(secs=1, nsecs=999_999_999)) == 1_999_999_999
    now = SimpleNamespace(sec=10, nanosec=0)
    assert stamp_ns(now, now_ns=9_500_000_000) == 10_000_000_000
    refused("stamp.future", stamp_ns, now, now_ns=8_500_000_000)
    refused("stamp.zero", stamp_ns, SimpleNamespace(sec=0, nanosec=0))
    for sec, nanosec in ((-1, 0), (1, 10**9), (1, -1), (2**40, 0)):
        refused("stamp.malformed", stamp_ns, SimpleNamespace(sec=sec, nanosec=nanosec))
    refused("message.type", stamp_ns, SimpleNamespace(sec=1.5, nanosec=0))
    refused("message.type", stamp_ns, None)


def transform(q, t=(1.0, 2.0, 3.0)):
    xyz = dict(zip("xyz", t, strict=True))
    return SimpleNamespace(
        translation=SimpleNamespace(**xyz), rotation=SimpleNamespace(**dict(zip("xyzw", q, strict=True)))
    )


def stamped(parent, child, q=(0.0, 0.0, 0.0, 1.0)):
    header = SimpleNamespace(frame_id=parent)
    return SimpleNamespace(header=header, child_frame_id=child, transform=transform(q))


def test_transforms_against_scipy():
    rotation = Rotation.random(random_state=4)
    message = transform(rotation.as_quat())
    as_pose = SimpleNamespace(position=message.translation, orientation=message.rotation)
    for pose in (pose_from_transform(message), pose_from_transform(as_pose)):
        np.testing.assert_allclose(pose.rotation, rotation.as_matrix(), atol=1e-12)
        np.testing.assert_array_equal(pose.translation, [1, 2, 3])
    parent, child, pose = transform_from_stamped(stamped("/base", "lidar", rotation.as_quat()))
    assert (parent, child) == ("base", "lidar") and frame_name("//a/b") == "a/b"
    np.testing.assert_allclose(pose.rotation, rotation.as_matrix(), atol=1e-12)


def test_bad_transforms_are_refused():
    refused("quaternion", pose_from_transform, transform((0.0, 0.0, 0.0, 0.0)))
    refused("quaternion", pose_from_transform, transform((0.0, 0.0, np.nan, 1.0)))
    refused("pose", pose_from_transform, transform((0.0, 0.0, 0.0, 1.0), (np.inf, 0.0, 0.0)))
    refused("transform", pose_from_transform, transform((0.0, 0.0, 0.0, "w")))
    for parent, child in (("", "a"), ("a", ""), ("a", "/a")):
        refused("tf.frames", transform_from_stamped, stamped(parent, child))


def test_messages_of_rclpy():
    sensor_msgs = pytest.importorskip("sensor_msgs.msg")
    geometry_msgs = pytest.importorskip("geometry_msgs.msg")
    stored = image(RGB[..., ::-1], "bgr8", padding=5, wrap=lambda b: array.array("B", b))
    np.testing.assert_array_equal(image_from_message(sensor_msgs.Image(**vars(stored))), RGB)
    packed = compressed()
    message = sensor_msgs.CompressedImage(format=packed.format, data=array.array("B", packed.data))
    np.testing.assert_array_equal(image_from_compressed(message), RGB)

    points = vars(cloud({**xyz(), "intensity": np.full(50, 51, "u1")}, point_step=20, height=2, row_padding=3))
    del points["header"]
    points["fields"] = [sensor_msgs.PointField(**vars(field)) for field in points["fields"]]
    points["data"] = array.array("B", points["data"])
    decoded = cloud_from_message(sensor_msgs.PointCloud2(**points))
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    np.testing.assert_allclose(decoded.intensity, 0.2, rtol=1e-6)

    info = {key: value for key, value in vars(INFO).items() if key != "roi"}
    camera = camera_from_message(sensor_msgs.CameraInfo(**info))
    np.testing.assert_array_equal(camera.matrix.ravel(), K)
    refused("camera_info.uncalibrated", camera_from_message, sensor_msgs.CameraInfo(width=64, height=48))
    refused("image.encoding", image_from_message, sensor_msgs.Image())
    refused("image.compressed", image_from_compressed, sensor_msgs.CompressedImage())
    refused("cloud.field_missing", cloud_from_message, sensor_msgs.PointCloud2())

    message = geometry_msgs.TransformStamped(child_frame_id="b")
    message.header.frame_id, message.header.stamp.sec = "a", 7
    assert stamp_ns(message.header.stamp) == 7_000_000_000
    assert transform_from_stamped(message)[:2] == ("a", "b")

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images as drivers and image_transport really send them, against OpenCV and BT.601."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.bags import IMAGE, IMAGES, START, Bag, stamps
from helpers.messages import GRAY, RGB, WEBP, compressed, image

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import image_from_compressed, image_from_message
from i2p_ros.core.messages.images import upper_bits
from i2p_ros.sources.image_files import read_image
from i2p_ros.sources.rosbag import RosbagSource

SMOOTH = cv2.resize(RGB[:3, :4] // 2 + 64, (64, 48), interpolation=cv2.INTER_LINEAR)
GREY3 = np.dstack([GRAY] * 3)


def planes(encoding, rgb):
    """Y, and U and V of every second pixel (nv12, nv21) or every pixel (nv24) in turn, each as rows of bytes."""
    height, width = rgb.shape[:2]
    u, v = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)[height:].reshape(2, height // 2, width // 2)
    y = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)[:height]
    pairs = np.dstack([v, u] if encoding == "nv21" else [u, v])
    if encoding == "nv24":
        pairs = pairs.repeat(2, axis=0).repeat(2, axis=1)
    return y, pairs.reshape(len(pairs), -1)


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24", "NV12"])
@pytest.mark.parametrize("padding", [0, 10])
def test_nv12_as_v4l2_lays_it_out(encoding, padding):
    """`step` is that of the rows of Y; V4L2 gives the rows of U and V of nv24 twice that."""
    y, colour = planes(encoding.lower(), SMOOTH)
    wide = padding * (2 if encoding == "nv24" else 1)
    data = np.pad(y, ((0, 0), (0, padding))).tobytes() + np.pad(colour, ((0, 0), (0, wide))).tobytes()
    message = SimpleNamespace(encoding=encoding, is_bigendian=0, height=48, width=64, step=64 + padding, data=data)
    decoded = image_from_message(message)
    assert decoded.shape == (48, 64, 3) and decoded.flags.c_contiguous
    assert np.abs(decoded - SMOOTH.astype(int)).mean() < 3


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_nv12_with_the_step_of_depthai(encoding):
    """Its bridge writes the length of the data divided by the height as `step`, and is_bigendian."""
    data = b"".join(plane.tobytes() for plane in planes(encoding, SMOOTH))
    message = SimpleNamespace(encoding=encoding, is_bigendian=1, height=48, width=64, step=len(data) // 48, data=data)
    assert np.abs(image_from_message(message) - SMOOTH.astype(int)).mean() < 3


def test_encodings_in_capitals():
    for encoding, stored in (("RGB8", RGB), ("BGR8", RGB[..., ::-1]), ("8uc3", RGB[..., ::-1])):
        np.testing.assert_array_equal(image_from_message(image(stored, encoding)), RGB)
    np.testing.assert_array_equal(image_from_message(image(GRAY, "MONO8")), GREY3)
    for encoding in ("UYVY", "YUYV"):
        expected = image_from_message(image(RGB[..., :2], encoding.lower()))
        np.testing.assert_array_equal(image_from_message(image(RGB[..., :2], encoding)), expected)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "bayer_rggb16", "rgb16", "16UC3"])
def test_a_camera_of_10_or_12_bits_in_16_is_not_black(bits, encoding):
    """mono16 of 12 bits was black: the upper 8 of its 16 bits are those that the camera does not use."""
    stored = RGB if encoding in ("rgb16", "16UC3") else GRAY
    values = stored.astype(np.uint16) << (bits - 8) | 3
    assert values.max().item().bit_length() == bits
    decoded = image_from_message(image(values, encoding))
    plain = {"rgb16": "rgb8", "16UC3": "bgr8", "bayer_rggb16": "bayer_rggb8"}.get(encoding, "mono8")
    np.testing.assert_array_equal(decoded, image_from_message(image(stored, plain)))


def test_a_stream_of_12_bits_does_not_flicker_with_its_brightest_pixel():
    frames = [np.array([[100, brightest]], np.uint16) for brightest in (1500, 2100, 4095, 1024)]
    assert {upper_bits(frame)[0, 0].item() for frame in frames} == {100 >> 4}


def test_16_bit_files(tmp_path):
    values = GRAY.astype(np.uint16) << 4
    cv2.imwrite(str(tmp_path / "thermal.png"), values)
    np.testing.assert_array_equal(read_image(tmp_path / "thermal.png"), GREY3)
    message = compressed(pixels=values, fmt="mono16; png compressed ")
    np.testing.assert_array_equal(image_from_compressed(message), GREY3)
    mosaic = compressed(pixels=values, fmt="bayer_rggb16; png compressed ")
    expected = image_from_message(image(GRAY, "bayer_rggb8"))
    np.testing.assert_array_equal(image_from_compressed(mosaic), expected)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_webp_of_each_kind(lossless, alpha, tmp_path):
    """VP8 (lossy), VP8L (lossless), and with an alpha channel or metadata VP8X."""
    pixels = np.dstack([SMOOTH, SMOOTH[..., :1]]) if alpha else SMOOTH
    stored = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if alpha else cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".webp", stored, [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 95])[1].tobytes()
    decoded = image_from_compressed(SimpleNamespace(format="webp", data=data))
    assert decoded.shape == (48, 64, 3) and np.abs(decoded - SMOOTH.astype(int)).mean() < (0.01 if lossless else 6)
    (tmp_path / "image.webp").write_bytes(data)
    np.testing.assert_array_equal(read_image(tmp_path / "image.webp"), decoded)


def test_a_webp_has_its_size_in_the_header():
    assert image_from_compressed(SimpleNamespace(format="webp", data=WEBP)).shape == RGB.shape
    with pytest.raises(InputError, match="8x6 pixels are more than the 47 allowed"):
        image_from_compressed(SimpleNamespace(format="webp", data=WEBP), max_pixels=47)


def test_colours_that_are_called_a_mosaic_stay_colours():
    """A JPEG in colour under `bayer_rggb8; jpeg compressed` was taken for a grey mosaic: the file tells which it is."""
    message = compressed(".jpg", SMOOTH, "bayer_rggb8; jpeg compressed")
    decoded = image_from_compressed(message)
    assert np.abs(decoded - SMOOTH.astype(int)).mean() < 4
    plain = image_from_compressed(compressed(".jpg", SMOOTH, "jpeg"))
    np.testing.assert_array_equal(decoded, plain)


def test_a_bag_with_one_depth_topic_has_no_image(tmp_path):
    """16UC1 is grey on a topic of images, and depth on one that is named so."""
    for topic in (IMAGE, "/cam/depth/image_raw"):
        path = tmp_path / topic.split("/")[2]
        with Bag(path, "mcap") as bag:
            bag.info(START)
            for i, stamp in enumerate(stamps()):
                grey = IMAGES[i, ..., 0].astype(np.uint16) << 4
                bag.image(stamp, grey.view(np.uint8).reshape(48, -1, 2), topic, encoding="16UC1", step=128)
                bag.cloud(stamp, np.random.default_rng(i).normal(size=(50, 4)))
    with RosbagSource(tmp_path / "image_raw") as source:
        np.testing.assert_array_equal(source[0].pair.image, np.dstack([IMAGES[0, ..., 0]] * 3))
    with RosbagSource(tmp_path / "depth") as source, pytest.raises(InputError, match="is named depth"):
        source[0]

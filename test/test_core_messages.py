# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding of ROS messages: well-formed ones against NumPy and OpenCV, malformed ones by the name of their fault."""

import array
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages import (
    camera_from_message,
    cloud_from_message,
    frame_name,
    image_from_message,
    pose_from_transform,
    stamp_ns,
    transform_from_stamped,
)

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
GRAY = RGB[..., 1]
XYZ = np.random.default_rng(2).uniform(-40, 40, (50, 3)).astype(np.float32)
KINDS = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def refused(reason, decode, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        decode(*args, **kwargs)
    assert caught.value.reason == reason
    assert str(caught.value)


def changed(message, **fields):
    return SimpleNamespace(**{**vars(message), **fields})


def image(pixels, encoding, bigendian=0, padding=0, wrap=bytes):
    """An Image of pixels in their encoding, each row followed by `padding` bytes."""
    pixels = np.asarray(pixels)
    rows = pixels.astype(pixels.dtype.newbyteorder("><"[not bigendian])).reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=bigendian,
        step=rows.shape[1],
        data=wrap(rows.tobytes()),
    )


def wide(pixels):
    """16 bits whose upper 8 are the pixels."""
    return (pixels.astype(np.uint16) << 8) | 77


with_alpha = np.dstack([RGB, GRAY])
ENCODED = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "rgba8": (with_alpha, RGB),
    "bgra8": (with_alpha[..., [2, 1, 0, 3]], RGB),
    "8UC4": (with_alpha[..., [2, 1, 0, 3]], RGB),
    "mono8": (GRAY, np.dstack([GRAY] * 3)),
    "8UC1": (GRAY, np.dstack([GRAY] * 3)),
    "rgb16": (wide(RGB), RGB),
    "bgr16": (wide(RGB[..., ::-1]), RGB),
    "rgba16": (wide(with_alpha), RGB),
    "bgra16": (wide(with_alpha[..., [2, 1, 0, 3]]), RGB),
    "mono16": (wide(GRAY), np.dstack([GRAY] * 3)),
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("bigendian", [0, 1])
def test_images(encoding, padding, bigendian):
    stored, expected = ENCODED[encoding]
    decoded = image_from_message(image(stored, encoding, bigendian, padding))
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous and decoded.flags.writeable


def test_data_may_be_bytes_array_or_ndarray_and_is_copied():
    for wrap in (bytes, bytearray, lambda b: array.array("B", b), lambda b: np.frombuffer(b, np.uint8).copy()):
        message = image(RGB, "rgb8", wrap=wrap)
        decoded = image_from_message(message)
        np.testing.assert_array_equal(decoded, RGB)
        assert not np.shares_memory(decoded, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_of_one_colour_gives_that_colour(pattern, bits):
    colour = {"r": 200, "g": 90, "b": 30}
    tile = np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (4, 5))
    decoded = image_from_message(image(mosaic if bits == 8 else wide(mosaic), f"bayer_{pattern}{bits}"))
    assert decoded.shape == (8, 10, 3)
    assert (decoded == list(colour.values())).all()


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_yuv422_against_bt601(encoding):
    colour = np.array([180.0, 60.0, 110.0])
    r, g, b = colour / 255
    luma = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u, v = 128 - 37.797 * r - 74.203 * g + 112 * b, 128 + 112 * r - 93.786 * g - 18.214 * b
    pair = [[u, luma], [v, luma]] if encoding in ("yuv422", "uyvy") else [[luma, u], [luma, v]]
    decoded = image_from_message(image(np.tile(np.round(pair).astype(np.uint8), (4, 3, 1)), encoding))
    assert decoded.shape == (4, 6, 3)
    assert np.abs(decoded - colour).max() <= 3


GOOD = image(RGB, "rgb8")
BAD_IMAGES = {
    "unknown encoding": ("image.encoding", {"encoding": "rgb12"}),
    "depth": ("image.encoding", {"encoding": "16UC1"}),
    "no encoding": ("image.encoding", {"encoding": ""}),
    "no width": ("image.size", {"width": 0}),
    "no height": ("image.size", {"height": 0}),
    "negative": ("image.size", {"height": -1}),
    "step 0": ("image.step", {"step": 0}),
    "step too small": ("image.step", {"step": 23}),
    "step too large": ("image.length", {"step": 25}),
    "data too short": ("image.length", {"data": GOOD.data[:-1]}),
    "data too long": ("image.length", {"data": GOOD.data + b"0"}),
    "no data": ("image.length", {"data": b""}),
    "width of 65537": ("image.step", {"width": 65537}),
    "width beyond all": ("image.too_large", {"width": 2**32 - 1, "height": 2**32 - 1}),
    "odd yuv": ("image.size", {"encoding": "yuyv", "width": 3, "step": 24}),
    "float width": ("message.type", {"width": 8.0}),
    "text data": ("message.type", {"data": "text"}),
    "no step": ("message.type", {"step": None}),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_refused_by_name(case):
    reason, fields = BAD_IMAGES[case]
    refused(reason, image_from_message, changed(GOOD, **fields))


def test_a_message_of_another_type_is_refused():
    refused("message.type", image_from_message, SimpleNamespace(data=b""))
    refused("message.type", cloud_from_message, GOOD)
    refused("message.type", camera_from_message, GOOD)


def compressed(suffix=".png", pixels=RGB, fmt="rgb8; png compressed bgr8", params=()):
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return SimpleNamespace(format=fmt, data=cv2.imencode(suffix, stored, list(params))[1].tobytes())


PNG, JPEG = compressed().data, compressed(".jpg", fmt="jpeg").data


def test_compressed_images():
    np.testing.assert_array_equal(image_from_message(compressed()), RGB)
    np.testing.assert_array_equal(image_from_message(compressed(pixels=GRAY)), np.dstack([GRAY] * 3))
    np.testing.assert_array_equal(image_from_message(compressed(pixels=wide(GRAY))), np.dstack([GRAY] * 3))
    smooth = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)
    for params in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)):
        decoded = image_from_message(compressed(".jpg", smooth, "jpeg", params))
        assert decoded.shape == (48, 64, 3) and np.abs(decoded - smooth.astype(int)).mean() < 8


def test_a_jpeg_with_fill_bytes_is_sound():
    filled = JPEG[:2] + b"\xff\xff" + JPEG[2:]
    decoded = image_from_message(SimpleNamespace(format="jpeg", data=filled))
    np.testing.assert_array_equal(decoded, image_from_message(SimpleNamespace(format="jpeg", data=JPEG)))


def test_a_compressed_bayer_mosaic_is_coloured():
    mosaic = np.tile(np.array([[200, 90], [90, 30]], np.uint8), (4, 5))
    decoded = image_from_message(compressed(pixels=mosaic, fmt="bayer_rggb8; png compressed "))
    assert (decoded == [200, 90, 30]).all()
    coloured = compressed(fmt="bayer_rggb8; png compressed bgr8")
    np.testing.assert_array_equal(image_from_message(coloured), RGB)


def test_an_exif_rotation_is_not_applied():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    plain = compressed(".jpg", np.zeros((16, 32, 3), np.uint8), "jpeg").data
    rotated = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape == (32, 16, 3)
    assert image_from_message(SimpleNamespace(format="jpeg", data=rotated)).shape == (16, 32, 3)


def png_bomb(side):
    """A PNG of side x side pixels in a few bytes, all of them valid."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


BAD_COMPRESSED = {
    "depth": ("image.encoding", "16UC1; compressedDepth png", PNG),
    "depth as png": ("image.encoding", "16UC1; png compressed ", PNG),
    "bomb": ("image.too_large", "png", png_bomb(30000)),
    "empty png": ("image.size", "png", png_bomb(0)),
    "png without pixels": ("image.compressed", "png", png_bomb(8)),
    "truncated png": ("image.compressed", "png", PNG[:-20]),
    "almost nothing of a png": ("image.compressed", "png", PNG[:16] + b"IEND"),
    "png header": ("image.compressed", "png", PNG[:20]),
    "corrupt png": ("image.compressed", "png", PNG[:60] + b"XXXX" + PNG[64:]),
    "truncated jpeg": ("image.compressed", "jpeg", JPEG[:-20]),
    "jpeg header": ("image.compressed", "jpeg", JPEG[:30]),
    "corrupt jpeg header": ("image.compressed", "jpeg", JPEG[:3] + bytes(50) + JPEG[53:]),
    "other format": ("image.compressed", "tiff", b"II*\0" + bytes(100)),
    "no data": ("image.compressed", "jpeg", b""),
    "bayer of nothing": ("image.encoding", "bayer_wxyz8; png compressed ", PNG),
}


@pytest.mark.parametrize("case", BAD_COMPRESSED)
def test_bad_compressed_images_are_refused_by_name(case):
    reason, fmt, data = BAD_COMPRESSED[case]
    refused(reason, image_from_message, SimpleNamespace(format=fmt, data=data))


def test_the_pixel_limit_can_be_set():
    for message in (GOOD, compressed(), compressed(".jpg")):
        refused("image.too_large", image_from_message, message, max_pixels=47)
        image_from_message(message, max_pixels=48)


def cloud(columns, point_step=None, height=1, row_padding=0, bigendian=False, first=0):
    """A PointCloud2 of named columns, packed from byte `first` on, rows followed by padding; gaps hold 0xAA."""
    order = "><"[not bigendian]
    offset, fields, values = first, [], []
    for name, column in columns.items():
        column = np.asarray(column)
        kind = column.dtype.str[1:]
        fields.append(SimpleNamespace(name=name, offset=offset, datatype=KINDS[kind], count=1))
        values.append((offset, column.astype(column.dtype.newbyteorder(order)).view(np.uint8).reshape(len(column), -1)))
        offset += column.dtype.itemsize
    point_step = point_step or offset
    points = np.full((len(values[0][1]), point_step), 0xAA, np.uint8)
    for offset, raw in values:
        points[:, offset : offset + raw.shape[1]] = raw
    rows = np.pad(points.reshape(height, -1), ((0, 0), (0, row_padding)), constant_values=0xBB)
    return SimpleNamespace(
        height=height,
        width=len(points) // height,
        fields=fields,
        is_bigendian=bigendian,
        point_step=point_step,
        row_step=rows.shape[1],
        data=rows.tobytes(),
        is_dense=True,
    )


def xyz(kind="f4", points=XYZ):
    return dict(zip("xyz", np.asarray(points).astype(kind).T, strict=True))


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
        (np.array([0, 51, 510], "f4"), [0, 0.2, 1]),
        (np.array([np.nan, -1, 1], "f8"), [0, 0, 1]),
        (np.array([np.inf, 0.5, 1], "f4"), [0, 0.5, 1]),
    ],
)
@pytest.mark.parametrize("bigendian", [False, True])
def test_intensity_is_brought_to_0_1(values, expected, bigendian):
    message = cloud({**xyz(), "reflectivity": np.resize(values, 50)}, bigendian=bigendian)
    decoded = cloud_from_message(message, intensity_field="reflectivity")
    np.testing.assert_allclose(decoded.intensity[:3], expected, atol=1e-6)
    assert cloud_from_message(message).intensity is None


def test_points_that_are_no_points_are_left_out():
    points = XYZ.astype("f8")
    for row, value in enumerate((np.nan, np.inf, -np.inf, 1e30, 1e300, 1e9, -1e9)):
        points[row, row % 3] = value
    decoded = cloud_from_message(cloud({**xyz("f8", points), "intensity": np.arange(50, dtype="u1")}))
    np.testing.assert_array_equal(decoded.xyz, XYZ[7:])
    np.testing.assert_allclose(decoded.intensity, np.arange(7, 50) / 255, rtol=1e-6)


def test_a_large_cloud_is_thinned_at_random_and_always_alike():
    points = np.random.default_rng(3).uniform(-50, 50, (5000, 3)).astype(np.float32)
    message = cloud({**xyz("f4", points), "intensity": np.linspace(0, 1, 5000).astype("f4")})
    decoded, again = (cloud_from_message(message, max_points=1000) for _ in range(2))
    np.testing.assert_array_equal(decoded.xyz, again.xyz)
    np.testing.assert_array_equal(decoded.intensity, again.intensity)
    assert len(decoded) == 1000 == len(np.unique(decoded.xyz, axis=0))
    assert np.histogram(decoded.intensity, 5, (0, 1))[0] == pytest.approx([200] * 5, abs=50)  # not the first ones


GOOD_CLOUD = cloud({**xyz(), "intensity": np.ones(50, "f4")})


def with_field(index, **fields):
    """Fields of the good cloud, one of them changed."""
    all_fields = list(GOOD_CLOUD.fields)
    all_fields[index] = changed(all_fields[index], **fields)
    return {"fields": all_fields}


LINE = 5.0 + np.outer(np.linspace(-30, 30, 3000), [1, 2, 0.5])
BAD_CLOUDS = {
    "point_step 0": ("cloud.layout", {"point_step": 0}),
    "point_step below a field's end": ("cloud.layout", {"point_step": 15}),
    "row_step too small": ("cloud.layout", {"row_step": 799}),
    "row_step 0": ("cloud.layout", {"row_step": 0}),
    "data too short": ("cloud.layout", {"data": GOOD_CLOUD.data[:-1]}),
    "row_step too large": ("cloud.layout", {"row_step": 801}),
    "a million points in 50": ("cloud.layout", {"width": 10**6, "row_step": 16 * 10**6}),
    "a million points, old row_step": ("cloud.layout", {"width": 10**6}),
    "rows beyond all": ("cloud.layout", {"height": 2**32 - 1}),
    "everything beyond all": ("cloud.layout", {"height": 2**32 - 1, "width": 2**32 - 1, "row_step": 2**32 - 1}),
    "negative width": ("cloud.layout", {"width": -1}),
    "x missing": ("cloud.field_missing", {"fields": GOOD_CLOUD.fields[1:]}),
    "z missing": ("cloud.field_missing", with_field(2, name="Z")),
    "no fields": ("cloud.field_missing", {"fields": []}),
    "x twice": ("cloud.layout", with_field(1, name="x")),
    "unknown type": ("cloud.field_type", with_field(0, datatype=9)),
    "type 0": ("cloud.field_type", with_field(3, datatype=0)),
    "type that does not fit": ("cloud.layout", with_field(3, datatype=8)),
    "count that does not fit": ("cloud.layout", with_field(3, count=2)),
    "offset beyond int32": ("cloud.layout", with_field(1, offset=2**32 - 1)),
    "negative offset": ("cloud.layout", with_field(1, offset=-4)),
    "empty": ("cloud.empty", {"width": 0, "row_step": 0, "data": b""}),
    "no rows": ("cloud.empty", {"height": 0, "data": b""}),
    "all NaN": ("cloud.empty", vars(cloud(xyz(points=np.full((50, 3), np.nan))))),
    "all far": ("cloud.empty", vars(cloud(xyz(points=np.full((50, 3), 1e30))))),
    "one point": ("cloud.too_few_unique", vars(cloud(xyz(points=XYZ[:1])))),
    "three points": ("cloud.too_few_unique", vars(cloud(xyz(points=XYZ[:3])))),
    "one point many times": ("cloud.too_few_unique", vars(cloud(xyz(points=XYZ[[3] * 50])))),
    "a line": ("cloud.too_few_unique", vars(cloud(xyz(points=LINE)))),
    "text": ("message.type", {"data": "text"}),
    "fractions": ("message.type", {"point_step": 16.5}),
}


@pytest.mark.parametrize("case", BAD_CLOUDS)
def test_bad_clouds_are_refused_by_name(case):
    reason, fields = BAD_CLOUDS[case]
    refused(reason, cloud_from_message, changed(GOOD_CLOUD, **fields))


def test_unusual_but_sound_clouds_pass():
    assert len(cloud_from_message(changed(GOOD_CLOUD, data=GOOD_CLOUD.data + b"tail"))) == 50
    assert len(cloud_from_message(changed(GOOD_CLOUD, **with_field(0, count=0)))) == 50  # 0 is written for 1
    assert len(cloud_from_message(changed(GOOD_CLOUD, **with_field(0, count=4)))) == 50  # an array: its first is read
    bent = LINE.copy()
    bent[1::1000] += [0, 0, 3]  # a few of many leave the line
    assert len(cloud_from_message(cloud(xyz(points=bent)))) == 3000


K = [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
P = [400.0, 0.0, 310.0, -40.0, 0.0, 410.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
ROI = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
INFO = SimpleNamespace(
    width=640, height=480, k=K, p=P, d=[0.1, 0.01, 0.001, 0.002, 0.0], binning_x=0, binning_y=0, roi=ROI
)
INFO.distortion_model = "plumb_bob"


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


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant", "fisheye"])
def test_lens_models_against_opencv(model):
    d = {"plumb_bob": INFO.d, "rational_polynomial": [0.1, 0.02, 0.001, 0.002, 0.01, 0.05, 0.01, 0.0]}
    d = np.array(d.get(model, [0.02, -0.01, 0.003, 0.001]))
    points = np.array([[0.3, -0.2, 1.0], [-1.0, 0.5, 2.5], [0.0, 0.0, 3.0]])
    pixels = camera_from_message(changed(INFO, distortion_model=model, d=d)).project(points)[0]
    k, zero = np.reshape(K, (3, 3)), np.zeros(3)
    project = cv2.fisheye.projectPoints if model in ("equidistant", "fisheye") else cv2.projectPoints
    if project is cv2.projectPoints:
        expected = project(points, zero, zero, k, d)[0]
    else:
        expected = project(points[:, None], zero, zero, k, d)[0]
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=1e-6)


def test_an_equidistant_lens_without_coefficients_is_no_pinhole():
    camera = camera_from_message(changed(INFO, distortion_model="equidistant", d=[0.0] * 4))
    pixels = camera.project([[1.0, 0.0, 1.0]])[0]
    np.testing.assert_allclose(pixels, [[K[2] + K[0] * np.pi / 4, K[5]]], atol=1e-6)


def test_binning_and_roi_against_an_image_that_is_cut_and_binned():
    """A horizontal ramp has its column as value; so has, at the pixel of a ray, the image of the binned camera."""
    roi = SimpleNamespace(x_offset=100, y_offset=50, width=401, height=300, do_rectify=False)
    info = changed(INFO, d=[], roi=roi, binning_x=2, binning_y=4)
    camera = camera_from_message(info)
    assert (camera.width, camera.height) == (200, 75)
    u, v = np.meshgrid(np.arange(640.0), np.arange(480.0))
    cut = np.dstack([u, v])[50:350, 100:500]
    binned = cut.reshape(75, 4, 200, 2, 2).mean(axis=(1, 3))
    rays = np.array([[-0.2, -0.1, 1.0], [0.1, 0.05, 1.0], [0.3, 0.15, 1.0]])
    whole = camera_from_message(changed(INFO, d=[])).project(rays)[0]
    pixels, inside = camera.project(rays)
    assert inside.all()
    for pixel, expected in zip(pixels, whole, strict=True):
        (column, row), (du, dv) = np.floor(pixel).astype(int), pixel % 1
        assert binned[row, column, 0] + 2 * du == pytest.approx(expected[0])
        assert binned[row, column, 1] + 4 * dv == pytest.approx(expected[1])


def test_a_camera_without_distortion():
    for model, d in (("", []), ("plumb_bob", []), ("plumb_bob", [0.0] * 5), ("rational_polynomial", [0.0] * 8)):
        assert camera_from_message(changed(INFO, distortion_model=model, d=d)).distortion == ()


def at(values, index, value):
    return [value if i == index else v for i, v in enumerate(values)]


BAD_INFOS = {
    "K zero": ("camera_info.uncalibrated", {"k": [0.0] * 9}),
    "fx negative": ("camera_info.uncalibrated", {"k": at(K, 0, -1.0)}),
    "fy NaN": ("camera_info.uncalibrated", {"k": at(K, 4, np.nan)}),
    "cx infinite": ("camera_info.uncalibrated", {"k": at(K, 2, np.inf)}),
    "skew": ("camera_info.k", {"k": at(K, 1, 5.0)}),
    "NaN elsewhere": ("camera_info.k", {"k": at(K, 3, np.nan)}),
    "eight numbers": ("camera_info.k", {"k": K[:8]}),
    "text": ("camera_info.k", {"k": "K"}),
    "no size": ("camera_info.size", {"width": 0}),
    "unknown lens": ("camera_info.distortion_model", {"distortion_model": "brown_conrady"}),
    "unknown lens without numbers": ("camera_info.distortion_model", {"distortion_model": "omni", "d": []}),
    "lens without name": ("camera_info.distortion_model", {"distortion_model": ""}),
    "six numbers": ("camera_info.distortion_length", {"d": [0.1] * 6}),
    "equidistant with five": ("camera_info.distortion_length", {"distortion_model": "equidistant"}),
    "equidistant with none": ("camera_info.distortion_length", {"distortion_model": "equidistant", "d": []}),
    "NaN in the lens": ("camera_info.distortion", {"d": [np.nan] * 5}),
    "ROI outside": ("camera_info.roi", {"roi": changed(ROI, x_offset=600, width=41, height=480)}),
    "offset outside": ("camera_info.roi", {"roi": changed(ROI, y_offset=480)}),
    "ROI beyond all": ("camera_info.roi", {"roi": changed(ROI, x_offset=2**32 - 1, width=2**32 - 1)}),
    "binning beyond the image": ("camera_info.binning", {"binning_x": 641}),
}


@pytest.mark.parametrize("case", BAD_INFOS)
def test_bad_camera_infos_are_refused_by_name(case):
    reason, fields = BAD_INFOS[case]
    refused(reason, camera_from_message, changed(INFO, **fields))


def test_bad_p_is_refused_only_if_it_is_used():
    message = changed(INFO, p=[0.0] * 12)
    camera_from_message(message)
    refused("camera_info.uncalibrated", camera_from_message, message, rectified=True)


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
    np.testing.assert_array_equal(image_from_message(message), RGB)

    points = vars(cloud({**xyz(), "intensity": np.full(50, 51, "u1")}, point_step=20, height=2, row_padding=3))
    points["fields"] = [sensor_msgs.PointField(**vars(field)) for field in points["fields"]]
    points["data"] = array.array("B", points["data"])
    decoded = cloud_from_message(sensor_msgs.PointCloud2(**points))
    np.testing.assert_array_equal(decoded.xyz, XYZ)
    np.testing.assert_allclose(decoded.intensity, 0.2, rtol=1e-6)

    info = {key: value for key, value in vars(INFO).items() if key != "roi"}
    camera = camera_from_message(sensor_msgs.CameraInfo(**info))
    np.testing.assert_array_equal(camera.matrix.ravel(), K)
    refused("camera_info.uncalibrated", camera_from_message, sensor_msgs.CameraInfo(width=64, height=48))
    for empty, reason in ((sensor_msgs.Image(), "image.encoding"), (sensor_msgs.CompressedImage(), "image.compressed")):
        refused(reason, image_from_message, empty)
    refused("cloud.field_missing", cloud_from_message, sensor_msgs.PointCloud2())

    message = geometry_msgs.TransformStamped(child_frame_id="b")
    message.header.frame_id, message.header.stamp.sec = "a", 7
    assert stamp_ns(message.header.stamp) == 7_000_000_000
    assert transform_from_stamped(message)[:2] == ("a", "b")


fuzz = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
sizes = st.one_of(st.integers(0, 40), st.sampled_from([2**16 + 1, 2**31 - 1, 2**32 - 1]))
floats = st.floats(width=64)


def only_input_errors(decode, message):
    try:
        return decode(message)
    except InputError as error:
        assert error.reason and str(error)
        return None


@fuzz
@given(st.data())
def test_any_image_gives_an_image_or_an_input_error(data):
    encoding = data.draw(st.sampled_from([*ENCODED, "bayer_rggb8", "bayer_grbg16", "yuyv", "yuv422", "16UC1", "?"]))
    fields = {name: data.draw(sizes) for name in ("height", "width", "step")}
    if data.draw(st.booleans()):  # sizes that agree, to get past the checks
        size = np.dtype("u2" if "16" in encoding else "u1").itemsize
        fields["height"], fields["width"] = (data.draw(st.integers(1, 6)) for _ in range(2))
        fields["step"] = fields["width"] * size * data.draw(st.integers(1, 4))
        content = data.draw(st.binary(min_size=1)) * 200
        body = content[: fields["step"] * fields["height"]]
    else:
        body = data.draw(st.binary(max_size=200))
    message = SimpleNamespace(encoding=encoding, is_bigendian=data.draw(st.integers(0, 255)), data=body, **fields)
    decoded = only_input_errors(image_from_message, message)
    assert decoded is None or decoded.shape == (fields["height"], fields["width"], 3)


@fuzz
@given(st.sampled_from([PNG, JPEG]), st.integers(0, 500), st.binary(max_size=8), st.integers(0, 700))
def test_any_compressed_image_gives_an_image_or_an_input_error(data, position, patch, length):
    damaged = (data[:position] + patch + data[position + len(patch) :])[:length]
    decoded = only_input_errors(image_from_message, SimpleNamespace(format="jpeg", data=damaged))
    assert decoded is None or (decoded.ndim == 3 and decoded.dtype == np.uint8)


field = st.builds(
    SimpleNamespace,
    name=st.sampled_from(["x", "y", "z", "intensity", "ring", ""]),
    offset=st.one_of(st.integers(0, 30), st.just(2**32 - 1)),
    datatype=st.integers(0, 9),
    count=st.one_of(st.integers(0, 3), st.just(2**32 - 1)),
)


@fuzz
@given(st.data())
def test_any_cloud_gives_a_cloud_or_an_input_error(data):
    point_step, width, height = (data.draw(sizes) for _ in range(3))
    message = SimpleNamespace(
        fields=data.draw(st.one_of(st.just(GOOD_CLOUD.fields), st.lists(field, max_size=5))),
        point_step=point_step,
        width=width,
        height=height,
        row_step=data.draw(st.one_of(sizes, st.just(min(width * point_step, 2**32 - 1)))),
        is_bigendian=data.draw(st.booleans()),
        data=data.draw(st.binary(min_size=1)) * data.draw(st.sampled_from([1, 100])),
    )
    decoded = only_input_errors(cloud_from_message, message)
    assert decoded is None or (np.isfinite(decoded.xyz).all() and 4 <= len(decoded) <= width * height)


@fuzz
@given(st.data())
def test_any_camera_info_gives_a_camera_or_an_input_error(data):
    def mixed(good):
        values = st.lists(st.one_of(st.sampled_from([0.0, 1.0, 500.0]), floats), min_size=0, max_size=12)
        return data.draw(st.one_of(st.just(good), values))

    roi = SimpleNamespace(**{name: data.draw(sizes) for name in ("x_offset", "y_offset", "width", "height")})
    message = SimpleNamespace(
        **{name: data.draw(st.one_of(st.just(640), sizes)) for name in ("width", "height")},
        **{name: data.draw(st.one_of(st.just(0), sizes)) for name in ("binning_x", "binning_y")},
        distortion_model=data.draw(st.sampled_from(["plumb_bob", "equidistant", "rational_polynomial", "", "x"])),
        roi=data.draw(st.sampled_from([ROI, roi])),
        k=mixed(K),
        p=mixed(P),
        d=mixed(INFO.d),
    )
    rectified = data.draw(st.booleans())
    camera = only_input_errors(lambda m: camera_from_message(m, rectified), message)
    assert camera is None or (camera.fx > 0 and camera.width > 0)


@fuzz
@given(st.lists(floats, min_size=7, max_size=7))
def test_any_transform_gives_a_pose_or_an_input_error(numbers):
    pose = only_input_errors(pose_from_transform, transform(numbers[:4], numbers[4:]))
    assert pose is None or np.allclose(pose.rotation @ pose.rotation.T, np.eye(3))

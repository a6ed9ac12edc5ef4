# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of every layout, sound ones and broken ones, by attribute as those of ROS."""

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from i2p_ros.core.errors import InputError

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
GRAY = RGB[..., 1]
XYZ = np.random.default_rng(2).uniform(-40, 40, (50, 3)).astype(np.float32)
KINDS = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8, "u8": 6}  # u8: two u4
STAMP = 1_700_000_000_123_456_789  # ns, of every header here


def refused(reason, decode, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        decode(*args, **kwargs)
    assert caught.value.reason == reason
    assert str(caught.value)


def changed(message, **fields):
    return SimpleNamespace(**{**vars(message), **fields})


def header(stamp=STAMP, frame="sensor"):
    sec, nanosec = divmod(stamp, 10**9)
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame)


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


GOOD = image(RGB, "rgb8")


def compressed(suffix=".png", pixels=RGB, fmt="rgb8; png compressed bgr8", params=()):
    stored = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return SimpleNamespace(format=fmt, data=cv2.imencode(suffix, stored, list(params))[1].tobytes())


PNG, JPEG = compressed().data, compressed(".jpg", fmt="jpeg").data
WEBP = compressed(".webp", fmt="webp", params=(cv2.IMWRITE_WEBP_QUALITY, 90)).data


def png_bomb(side):
    """A PNG of side x side pixels in a few bytes, all of them valid."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def cloud(columns, point_step=None, height=1, row_padding=0, bigendian=False, first=0):
    """A PointCloud2 of named columns, packed from byte `first` on, rows followed by padding; gaps hold 0xAA."""
    order = "><"[not bigendian]
    offset, fields, values = first, [], []
    for name, column in columns.items():
        column = np.asarray(column)
        kind = column.dtype.str[1:]
        fields.append(SimpleNamespace(name=name, offset=offset, datatype=KINDS[kind], count=1 + (kind == "u8")))
        values.append((offset, column.astype(column.dtype.newbyteorder(order)).view(np.uint8).reshape(len(column), -1)))
        offset += column.dtype.itemsize
    point_step = point_step or offset
    points = np.full((len(values[0][1]), point_step), 0xAA, np.uint8)
    for offset, raw in values:
        points[:, offset : offset + raw.shape[1]] = raw
    rows = np.pad(points.reshape(height, -1), ((0, 0), (0, row_padding)), constant_values=0xBB)
    return SimpleNamespace(
        header=header(),
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


GOOD_CLOUD = cloud({**xyz(), "intensity": np.ones(50, "f4")})


def packed(raw, data, form):
    """A CompressedPointCloud2 with the layout of a PointCloud2."""
    layout = {name: value for name, value in vars(raw).items() if name != "data"}
    return SimpleNamespace(**layout, compressed_data=data, format=form)


DRACO_TYPES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 9, 8: 10}  # PointField datatype -> Draco data type
SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 8: 8}


def draco(raw):
    """Draco data of a PointCloud2 as draco_point_cloud_transport writes it: an attribute for each field, in sequence.

    Without quantisation, floats are as they are. Integers are here without prediction and without entropy coding.
    """
    points = np.frombuffer(raw.data, np.uint8).reshape(-1, raw.point_step)
    head = b"DRACO\x02\x03\x00\x00" + struct.pack("<H", 0x8000)
    metadata = b"\x00" + b"\x01\x0bdeduplicate\x04" + struct.pack("<i", 1) + b"\x00"
    attributes, coders, values = b"", b"", b""
    for number, field in enumerate(raw.fields):
        colour = field.name in ("rgb", "rgba")
        kind, count = (2, 4) if colour else (DRACO_TYPES[field.datatype], max(field.count, 1))
        attributes += bytes([2 if colour else 0 if field.name in "xyz" else 4, kind, count, 0, number])
        size = SIZES[field.datatype]
        column = np.ascontiguousarray(points[:, field.offset : field.offset + size])
        if kind in (9, 10):
            coders += b"\x00"
            values += column.tobytes()
        else:
            coders += b"\x01"
            size = 1 if colour else size
            sign = "i" if kind in (1, 3, 5) else "u"
            # no prediction, no entropy coding, four bytes a value
            values += b"\xfe\x00\x04" + _folded(column.view(f"<{sign}{size}")).tobytes()
    count = struct.pack("<I", len(points))
    return head + metadata + count + b"\x01" + bytes([len(raw.fields)]) + attributes + coders + values


def _folded(values):
    """Integers as Draco stores those of any type: 0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    values = values.astype(np.int64)
    return np.where(values >= 0, 2 * values, -2 * values - 1).astype("<u4")


def with_field(index, **fields):
    """Fields of the good cloud, one of them changed."""
    all_fields = list(GOOD_CLOUD.fields)
    all_fields[index] = changed(all_fields[index], **fields)
    return {"fields": all_fields}


LINE = 5.0 + np.outer(np.linspace(-30, 30, 3000), [1, 2, 0.5])

K = [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
P = [400.0, 0.0, 310.0, -40.0, 0.0, 410.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
ROI = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
INFO = SimpleNamespace(
    width=640, height=480, k=K, p=P, d=[0.1, 0.01, 0.001, 0.002, 0.0], binning_x=0, binning_y=0, roi=ROI
)
INFO.distortion_model = "plumb_bob"


def at(values, index, value):
    return [value if i == index else v for i, v in enumerate(values)]

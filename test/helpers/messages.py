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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes to messages and back, so that a fuzzer can start from valid messages and change single bytes.

A message is stored as a fixed head of numbers and then its data. Texts are chosen from a list by one byte. A file is
stored as it is.
"""

import atexit
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3", "8UC4", "rgb16", "bgr16", "rgba16", "bgra16", "mono16",
    "bayer_rggb8", "bayer_bggr8", "bayer_gbrg16", "bayer_grbg16", "yuv422", "yuv422_yuy2", "16UC1", "",
    "nv12", "nv21", "nv24", "RGB8", "16UC3",
)  # fmt: skip
FORMATS = (
    "rgb8; png compressed bgr8",
    "jpeg",
    "bayer_rggb8; png compressed ",
    "16UC1; compressedDepth png",
    "",
    "webp",
)
NAMES = ("x", "y", "z", "intensity", "i", "reflectivity", "t", "time", "timestamp", "ring", "")
CLOUD_FORMATS = ("zlib", "zstd", "draco", "cloudini")
VIDEO_FORMATS = ("h264", "h265", "av1")
LENSES = ("plumb_bob", "rational_polynomial", "equidistant", "fisheye", "", "omni")
STAMP = SimpleNamespace(sec=1_700_000_000, nanosec=123_456_789)
IMAGE, CLOUD, FIELD, CAMERA = (struct.Struct(f) for f in ("<BBiii", "<BBiiii", "<BiBi", "<BBBiiiiiiiii"))


def _head(layout: struct.Struct, data: bytes) -> tuple[tuple[int, ...], bytes]:
    """Numbers of the head, where missing ones are 0, and the bytes after it."""
    return layout.unpack(data[: layout.size].ljust(layout.size, b"\0")), data[layout.size :]


def image(data: bytes) -> Any:
    """The sensor_msgs/Image of these bytes."""
    (encoding, bigendian, height, width, step), rest = _head(IMAGE, data)
    name = ENCODINGS[encoding % len(ENCODINGS)]
    return SimpleNamespace(
        encoding=name, is_bigendian=bigendian & 1, height=height, width=width, step=step, data=rest
    )  # fmt: skip


def image_bytes(message: Any) -> bytes:
    """The bytes of which `image` makes this message."""
    numbers = (message.is_bigendian, message.height, message.width, message.step)
    return IMAGE.pack(ENCODINGS.index(message.encoding), *numbers) + message.data


def compressed(data: bytes) -> Any:
    """The sensor_msgs/CompressedImage of these bytes."""
    return SimpleNamespace(format=FORMATS[data[0] % len(FORMATS)] if data else "", data=data[1:])


def compressed_bytes(message: Any) -> bytes:
    """The bytes of which `compressed` makes this message."""
    return bytes([FORMATS.index(message.format)]) + bytes(message.data)


def cloud(data: bytes) -> Any:
    """The sensor_msgs/PointCloud2 of these bytes."""
    (count, bigendian, height, width, point_step, row_step), rest = _head(CLOUD, data)
    fields = []
    for _ in range(count % 16):
        (name, offset, datatype, values), rest = _head(FIELD, rest)
        text = NAMES[name % len(NAMES)]
        fields.append(SimpleNamespace(name=text, offset=offset, datatype=datatype, count=values))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=STAMP, frame_id="lidar"), fields=fields, is_bigendian=bool(bigendian & 1),
        height=height, width=width, point_step=point_step, row_step=row_step, data=rest, is_dense=True,
    )  # fmt: skip


def cloud_bytes(message: Any) -> bytes:
    """The bytes of which `cloud` makes this message."""
    numbers = (message.is_bigendian, message.height, message.width, message.point_step, message.row_step)
    fields = [FIELD.pack(NAMES.index(f.name), f.offset, f.datatype, f.count) for f in message.fields]
    return CLOUD.pack(len(fields), *numbers) + b"".join(fields) + bytes(message.data)


def compressed_cloud(data: bytes) -> Any:
    """The point_cloud_interfaces/CompressedPointCloud2 of these bytes."""
    message = cloud(data[1:])
    message.compressed_data = message.data
    del message.data
    message.format = CLOUD_FORMATS[data[0] % len(CLOUD_FORMATS)] if data else ""
    return message


def compressed_cloud_bytes(message: Any) -> bytes:
    """The bytes of which `compressed_cloud` makes this message."""
    raw = SimpleNamespace(**vars(message), data=message.compressed_data)
    return bytes([CLOUD_FORMATS.index(message.format)]) + cloud_bytes(raw)


def video(data: bytes) -> Any:
    """The messages of a CompressedVideo topic: one byte for the format, then each data with its length."""
    codec, rest, messages = VIDEO_FORMATS[data[0] % len(VIDEO_FORMATS)] if data else "", data[1:], []
    while rest and len(messages) < 8:
        length = int.from_bytes(rest[:2], "little")
        messages.append(SimpleNamespace(timestamp=STAMP, frame_id="camera", format=codec, data=rest[2 : 2 + length]))
        rest = rest[2 + length :]
    return messages


def video_bytes(codec: str, packets: list[bytes]) -> bytes:
    """The bytes of which `video` makes messages with these packets."""
    return bytes([VIDEO_FORMATS.index(codec)]) + b"".join(len(p).to_bytes(2, "little") + p for p in packets)


def bag(data: bytes) -> Any:
    """A bag file of these bytes."""
    return SimpleNamespace(data=data)


def camera(data: bytes) -> Any:
    """The sensor_msgs/CameraInfo of these bytes. `rectified` is whether its image is rectified."""
    (lens, count, rectified, width, height, bx, by, x, y, w, h, _), rest = _head(CAMERA, data)
    numbers = [v for (v,) in struct.iter_unpack("<d", rest[: len(rest) // 8 * 8])]
    roi = SimpleNamespace(x_offset=x, y_offset=y, width=w, height=h, do_rectify=False)
    return SimpleNamespace(
        width=width, height=height, binning_x=bx, binning_y=by, roi=roi, distortion_model=LENSES[lens % len(LENSES)],
        header=SimpleNamespace(stamp=STAMP, frame_id="camera"), r=numbers[:9],
        k=numbers[:9], p=numbers[9:21], d=numbers[21 : 21 + count % 16], rectified=bool(rectified & 1),
    )  # fmt: skip


def camera_bytes(message: Any) -> bytes:
    """The bytes of which `camera` makes this message."""
    numbers = [*message.k, *message.p, *message.d]
    roi = message.roi
    return CAMERA.pack(
        LENSES.index(message.distortion_model), len(message.d), getattr(message, "rectified", False),
        message.width, message.height, message.binning_x, message.binning_y,
        roi.x_offset, roi.y_offset, roi.width, roi.height, 0,
    ) + struct.pack(f"<{len(numbers)}d", *numbers)  # fmt: skip


def file(kind: str) -> Callable[[bytes], Path]:
    """Function that writes bytes to a file of a kind, such as `pcd`, and gives its path: the same for all bytes."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-file-")) / f"a.{kind}"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)

    def written(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    return written

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoders of sensor_msgs/Image and sensor_msgs/CompressedImage."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages.reading import attribute, bytes_of, integer
from i2p_ros.core.types import Image

_PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 50_000_000  # a larger image is a decompression bomb or a broken header

# encoding -> (type, channels, OpenCV's conversion to RGB or none). Depth (16UC1, 32FC1) is left out.
_ENCODINGS: dict[str, tuple[str, int, int | None]] = {
    "rgb8": ("u1", 3, None),
    "bgr8": ("u1", 3, cv2.COLOR_BGR2RGB),
    "8UC3": ("u1", 3, cv2.COLOR_BGR2RGB),
    "rgba8": ("u1", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": ("u1", 4, cv2.COLOR_BGRA2RGB),
    "8UC4": ("u1", 4, cv2.COLOR_BGRA2RGB),
    "mono8": ("u1", 1, cv2.COLOR_GRAY2RGB),
    "8UC1": ("u1", 1, cv2.COLOR_GRAY2RGB),
    "rgb16": ("u2", 3, None),
    "bgr16": ("u2", 3, cv2.COLOR_BGR2RGB),
    "rgba16": ("u2", 4, cv2.COLOR_RGBA2RGB),
    "bgra16": ("u2", 4, cv2.COLOR_BGRA2RGB),
    "mono16": ("u2", 1, cv2.COLOR_GRAY2RGB),
    # ROS names a Bayer pattern by its first two pixels, OpenCV by the second row's second and third
    "bayer_rggb8": ("u1", 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": ("u1", 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": ("u1", 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": ("u1", 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": ("u2", 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": ("u2", 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": ("u2", 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": ("u2", 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": ("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": ("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": ("u1", 2, cv2.COLOR_YUV2RGB_YUYV),
    "yuyv": ("u1", 2, cv2.COLOR_YUV2RGB_YUYV),
}


def image_from_message(message: Any, max_pixels: int = MAX_PIXELS) -> Image:
    """RGB image (H, W, 3) uint8 of a sensor_msgs/Image. Of 16 bits the upper 8 are kept.

    Raises InputError: `image.encoding`, `image.size`, `image.step`, `image.length`, `image.too_large`.
    """
    encoding = str(attribute(message, "encoding"))
    kind, channels, _ = _encoding(encoding)
    height, width = integer(message, "height"), integer(message, "width")
    _check_size(width, height, max_pixels)
    dtype = np.dtype(kind).newbyteorder(">" if attribute(message, "is_bigendian") else "<")
    rows = _rows(message, height, width * channels * dtype.itemsize)
    return _to_rgb(np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels), encoding)


def image_from_compressed(message: Any, max_pixels: int = MAX_PIXELS) -> Image:
    """RGB image (H, W, 3) uint8 of a sensor_msgs/CompressedImage. Of 16 bits the upper 8 are kept.

    The size is checked in the header of the file before it is unpacked. Raises InputError: `image.encoding`,
    `image.size`, `image.too_large`, `image.compressed`.
    """
    stated = str(attribute(message, "format"))
    source, _, transport = stated.partition(";")
    if "compressedDepth" in transport or source.strip() in ("16UC1", "32FC1"):
        raise InputError(f"{stated!r} is depth, not an image: choose another topic", "image.encoding")
    data = bytes_of(message)
    width, height = _compressed_size(data.tobytes())
    _check_size(width, height, max_pixels)
    mosaic = source.startswith("bayer_") and not transport.strip().endswith(("bgr8", "rgb8"))
    # the calibration is for the pixels as they are stored: an EXIF rotation must not be applied
    flags = (cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise InputError(f"cannot decode a {stated!r} image: {error.err}", "image.compressed") from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise InputError(f"cannot decode a {stated!r} image: the data is damaged", "image.compressed")
    return _to_rgb(pixels.reshape(height, width, -1), f"{source[:10]}8" if mosaic else "bgr8")


def _encoding(name: str) -> tuple[str, int, int | None]:
    if name not in _ENCODINGS:
        raise InputError(f"encoding {name!r} is not supported; known are {', '.join(_ENCODINGS)}", "image.encoding")
    return _ENCODINGS[name]


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width <= 0 or height <= 0:
        raise InputError(f"an image of {width}x{height} pixels is empty", "image.size")
    if width * height > max_pixels:
        raise InputError(f"{width}x{height} pixels are more than the {max_pixels} allowed", "image.too_large")


def _rows(message: Any, height: int, used: int) -> NDArray[np.uint8]:
    """Bytes (height, used) of an Image, without the padding at the end of rows."""
    step, data = integer(message, "step"), bytes_of(message)
    if step < used:
        raise InputError(f"a row needs {used} bytes, but step is {step}", "image.step")
    if len(data) != step * height:
        raise InputError(f"{height} rows of {step} bytes are not {len(data)} bytes", "image.length")
    return data.reshape(height, step)[:, :used]


def _to_rgb(pixels: NDArray[Any], encoding: str) -> Image:
    """RGB image (H, W, 3) uint8 of pixels (H, W, C) in an encoding; never a view of the input."""
    if pixels.dtype.itemsize == 2:
        pixels = (pixels >> 8).astype(np.uint8)
    conversion = _encoding(encoding)[2]
    if conversion is None:
        return np.array(pixels)
    try:
        return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)
    except cv2.error as error:
        height, width = pixels.shape[:2]
        raise InputError(f"{encoding} cannot be {width}x{height} pixels: {error.err}", "image.size") from error


def _compressed_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole PNG or JPEG file, from its header."""
    if data.startswith(_PNG_START):
        return _png_size(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(data)
    raise InputError(f"{len(data)} bytes are not a whole JPEG or PNG file", "image.compressed")


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file, from its first chunk (PNG specification, 5.3 and 11.2.1).

    All chunks must be complete: decoders allocate the stated length of a chunk before they read it.
    """
    at, kind = len(_PNG_START), data[12:16]
    if kind != b"IHDR":
        raise InputError("the PNG data has no header", "image.compressed")
    while kind != b"IEND":
        kind = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at > len(data):
            raise InputError("the PNG data is truncated or damaged", "image.compressed")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG file, from its frame header (ITU-T T.81, B.2.2). Without an end marker after it, rows
    are missing."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if data.rfind(b"\xff\xd9") < at:
                raise InputError("the JPEG data is truncated", "image.compressed")
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if length < 2 or marker == 0x01 or 0xD0 <= marker <= 0xD9:  # no length here: decoders would read on elsewhere
            break
        at += 2 + length
    raise InputError("the JPEG data has no frame header", "image.compressed")

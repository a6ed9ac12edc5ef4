# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoders of sensor_msgs/Image and sensor_msgs/CompressedImage."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.messages.image_files import image_file_size
from i2p_ros.core.messages.reading import attribute, bytes_of, integer
from i2p_ros.core.types import Image

MAX_PIXELS = 50_000_000  # a larger image is a decompression bomb or a broken header

# encoding in lower case -> (type, channels, OpenCV's conversion to RGB or none). 32FC1 is left out: it is depth.
_ENCODINGS: dict[str, tuple[str, int, int | None]] = {
    "rgb8": ("u1", 3, None),
    "bgr8": ("u1", 3, cv2.COLOR_BGR2RGB),
    "8uc3": ("u1", 3, cv2.COLOR_BGR2RGB),
    "rgba8": ("u1", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": ("u1", 4, cv2.COLOR_BGRA2RGB),
    "8uc4": ("u1", 4, cv2.COLOR_BGRA2RGB),
    "mono8": ("u1", 1, cv2.COLOR_GRAY2RGB),
    "8uc1": ("u1", 1, cv2.COLOR_GRAY2RGB),
    "rgb16": ("u2", 3, None),
    "bgr16": ("u2", 3, cv2.COLOR_BGR2RGB),
    "16uc3": ("u2", 3, cv2.COLOR_BGR2RGB),
    "rgba16": ("u2", 4, cv2.COLOR_RGBA2RGB),
    "bgra16": ("u2", 4, cv2.COLOR_BGRA2RGB),
    "16uc4": ("u2", 4, cv2.COLOR_BGRA2RGB),
    "mono16": ("u2", 1, cv2.COLOR_GRAY2RGB),
    "16uc1": ("u2", 1, cv2.COLOR_GRAY2RGB),  # grey, or depth: see image_from_message
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
# encoding -> (bytes of Y and UV for each pixel, OpenCV's conversion to RGB): a plane of Y, then one of U and V in turn
_PLANAR = {
    "nv12": (1.5, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (1.5, cv2.COLOR_YUV2RGB_NV21),
    "nv24": (3.0, cv2.COLOR_YUV2RGB_YUYV),  # OpenCV has none for U and V at every pixel: every second is left out
}
_DEPTH = ("16uc1", "mono16")  # encodings of a topic that is named depth: mm


def image_from_message(message: Any, topic: str = "", max_pixels: int = MAX_PIXELS) -> Image:
    """RGB image (H, W, 3) uint8 of a sensor_msgs/Image. Of 16 bits 8 are kept, as `upper_bits` says.

    The case of the encoding does not matter. 16UC1 and mono16 are grey values, unless `topic` is named depth.
    Raises InputError: `image.encoding`, `image.size`, `image.step`, `image.length`, `image.too_large`.
    """
    stated = str(attribute(message, "encoding"))
    encoding = stated.lower()
    if encoding in _DEPTH and "depth" in topic.lower():
        raise InputError(f"{topic} has {stated} and is named depth: choose a topic of images", "image.encoding")
    if encoding not in _ENCODINGS and encoding not in _PLANAR:
        known = ", ".join((*_ENCODINGS, *_PLANAR))
        raise InputError(f"encoding {stated!r} is not supported; known are {known}", "image.encoding")
    height, width = integer(message, "height"), integer(message, "width")
    _check_size(width, height, max_pixels)
    if encoding in _PLANAR:
        return _planar_to_rgb(message, width, height, encoding)
    kind, channels, _ = _ENCODINGS[encoding]
    dtype = np.dtype(kind).newbyteorder(">" if attribute(message, "is_bigendian") else "<")
    rows = _rows(message, height, width * channels * dtype.itemsize)
    return _to_rgb(np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels), encoding)


def image_from_compressed(message: Any, topic: str = "", max_pixels: int = MAX_PIXELS) -> Image:
    """RGB image (H, W, 3) uint8 of a sensor_msgs/CompressedImage: PNG, JPEG or WebP. `topic` is not needed.

    Of 16 bits 8 are kept, as `upper_bits` says. A file with one channel is a Bayer mosaic if the format says so.
    The size is checked in the header of the file before it is unpacked. Raises InputError: `image.encoding`,
    `image.size`, `image.too_large`, `image.compressed`.
    """
    stated = str(attribute(message, "format"))
    source, _, transport = stated.partition(";")
    if "compressedDepth" in transport or source.strip() in ("16UC1", "32FC1"):
        raise InputError(f"{stated!r} is depth, not an image: choose another topic", "image.encoding")
    mosaic = source.strip().lower() if source.startswith("bayer_") else ""
    if mosaic and mosaic not in _ENCODINGS:
        raise InputError(f"{mosaic!r} is not a known Bayer mosaic", "image.encoding")
    data = bytes_of(message)
    width, height = image_file_size(data.tobytes())
    _check_size(width, height, max_pixels)
    # the calibration is for the pixels as they are stored: an EXIF rotation must not be applied
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise InputError(f"cannot decode a {stated!r} image: {error.err}", "image.compressed") from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise InputError(f"cannot decode a {stated!r} image: the data is damaged", "image.compressed")
    if pixels.ndim == 3:
        return _to_rgb(pixels, "bgr8")
    converted = transport.strip().endswith(("bgr8", "rgb8"))
    return _to_rgb(pixels[..., None], "mono8" if converted else mosaic or "mono8")


def upper_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The upper 8 of the bits that pixels (16 bits) use: 10, 12, 14 or 16, the fewest that hold the largest value.

    Cameras of 10 and 12 bits write their values into the lower bits of 16. The steps keep the brightness of a stream
    steady, as long as its brightest pixel stays within a factor of four.
    """
    used = int(pixels.max(initial=0)).bit_length()
    return (pixels >> (next(bits for bits in (10, 12, 14, 16) if used <= bits) - 8)).astype(np.uint8)


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
        pixels = upper_bits(pixels)
    return _converted(pixels, _ENCODINGS[encoding][2], encoding)


def _planar_to_rgb(message: Any, width: int, height: int, encoding: str) -> Image:
    """RGB image (H, W, 3) uint8 of a plane of Y and a plane of U and V.

    `step` is the length of a row of Y, as V4L2 has it, or of Y and its U and V together, as DepthAI writes it.
    """
    share, conversion = _PLANAR[encoding]
    step, data = integer(message, "step"), bytes_of(message)
    whole = len(data) == step * height and step >= share * width
    stride = int(step / share) if whole else step
    if stride < width:
        raise InputError(f"a row of Y needs {width} bytes, but step is {step}", "image.step")
    if height % 2 or width % 2:
        raise InputError(f"{encoding} cannot be {width}x{height} pixels: both must be even", "image.size")
    if len(data) != int(stride * share * height):
        raise InputError(f"{encoding} with {height} rows of {step} bytes is not {len(data)} bytes", "image.length")
    rows = data.reshape(-1, stride)
    if encoding != "nv24":
        return _converted(np.ascontiguousarray(rows[:, :width]), conversion, encoding)
    colour = data[height * stride :].reshape(height, 2 * stride)[:, : 2 * width].reshape(height, width // 2, 4)[..., :2]
    return _converted(np.dstack([rows[:height, :width], colour.reshape(height, width)]), conversion, encoding)


def _converted(pixels: NDArray[np.uint8], conversion: int | None, encoding: str) -> Image:
    if conversion is None:
        return np.array(pixels)
    try:
        return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)
    except cv2.error as error:
        height, width = pixels.shape[:2]
        raise InputError(f"{encoding} cannot be {width}x{height} pixels: {error.err}", "image.size") from error

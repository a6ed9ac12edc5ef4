# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages to our types, by attribute: those of rclpy and of rosbags, ROS 1 and ROS 2, without importing either.

Messages are not trusted: every length is checked, and what cannot be read exactly is refused by an InputError whose
`reason` names the fault (`cloud.layout`, `image.step`, `camera_info.uncalibrated`, ...).
"""

from __future__ import annotations

import operator
import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.camera import Camera
from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array, Pose
from i2p_ros.core.types import Image, PointCloud, Points

MAX_PIXELS = 50_000_000  # a larger image is a decompression bomb or a broken header
MAX_POINTS = 1_000_000  # a larger cloud is thinned, at random
MAX_COORDINATE = 10_000.0  # m: no lidar sees farther, and float32 is still exact to 1 mm here

# encoding -> (type, channels, OpenCV's conversion to RGB or none). Depth (16UC1, 32FC1) is not an image to look at.
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
# sensor_msgs/PointField datatype -> NumPy type
_POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_MODEL_ALIASES = {"": "plumb_bob", "fisheye": "equidistant"}


def stamp_ns(stamp: Any, now_ns: int | None = None, max_ahead_ns: int = 1_000_000_000) -> int:
    """Nanoseconds of a header stamp (sec, nanosec; ROS 1: secs, nsecs), refused if zero, malformed or in the future.

    `now_ns` is the receiver's clock; without it nothing is taken for the future.
    """
    seconds = _integer(stamp, "sec", "secs")
    nanoseconds = _integer(stamp, "nanosec", "nsecs")
    if not (0 <= seconds < 2**33 and 0 <= nanoseconds < 1_000_000_000):
        raise InputError(f"a stamp of {seconds} s and {nanoseconds} ns is not a time", "stamp.malformed")
    total = seconds * 1_000_000_000 + nanoseconds
    if total == 0:
        raise InputError("the header stamp is zero: let the driver fill it in", "stamp.zero")
    if now_ns is not None and total > now_ns + max_ahead_ns:
        raise InputError(
            f"the stamp lies {(total - now_ns) / 1e9:.3f} s in the future: synchronise the clocks", "stamp.future"
        )
    return total


def frame_name(frame_id: str) -> str:
    """A frame without the leading slash that ROS 1 allowed."""
    return str(frame_id).lstrip("/")


def pose_from_transform(message: Any) -> Pose:
    """T_a_b of a geometry_msgs Transform (translation, rotation) or Pose (position, orientation)."""
    t = _attribute(message, "translation", "position")
    q = _attribute(message, "rotation", "orientation")
    xyzw = _numbers([_attribute(q, axis) for axis in "xyzw"], 4, "transform")
    xyz = _numbers([_attribute(t, axis) for axis in "xyz"], 3, "transform")
    with np.errstate(over="ignore"):  # a norm that overflows is refused
        return Pose.from_quaternion(xyzw, xyz)


def transform_from_stamped(message: Any) -> tuple[str, str, Pose]:
    """Frames a, b and T_a_b of a TransformStamped with parent a and child b."""
    parent = frame_name(_attribute(_attribute(message, "header"), "frame_id"))
    child = frame_name(_attribute(message, "child_frame_id"))
    if not parent or not child or parent == child:
        raise InputError(f"a transform needs two frames, got {parent!r} and {child!r}", "tf.frames")
    return parent, child, pose_from_transform(_attribute(message, "transform"))


def camera_from_message(message: Any, rectified: bool = False) -> Camera:
    """The camera of the published image: K and D (or P without lens, if `rectified`), then ROI, then binning.

    P's fourth column (the baseline of a stereo pair) is left out: tf must name the camera's own optical frame.
    Raises InputError `camera_info.*`.
    """
    width, height = _integer(message, "width"), _integer(message, "height")
    if rectified:
        k = _numbers(_attribute(message, "p", "P"), 12, "camera_info.p").reshape(3, 4)[:, :3]
        full = Camera.from_matrix(k, width, height)
    else:
        k = _numbers(_attribute(message, "k", "K"), 9, "camera_info.k").reshape(3, 3)
        full = Camera.from_matrix(k, width, height, *_lens(message))
    if not np.allclose(k, full.matrix, rtol=0.0, atol=1e-6 * full.fx):
        raise InputError(f"the matrix has skew or is no intrinsic matrix: {k.tolist()}", "camera_info.k")
    return _binned(_region(full, message), message)


def _lens(message: Any) -> tuple[str, Array]:
    """Distortion model and coefficients; an unknown model is never taken for a pinhole."""
    name = str(_attribute(message, "distortion_model"))
    d = _numbers(_attribute(message, "d", "D"), None, "camera_info.distortion")
    model = _MODEL_ALIASES.get(name, name)
    if not name and d.any():
        raise InputError("distortion_model is empty, but there are coefficients", "camera_info.distortion_model")
    if model == "equidistant" and d.size != 4:
        raise InputError(f"{model} takes 4 coefficients, got {d.size}", "camera_info.distortion_length")
    return model, d


def _region(camera: Camera, message: Any) -> Camera:
    """The camera of the ROI, which is given in unbinned pixels; all zero means everything (sensor_msgs/CameraInfo)."""
    roi = _attribute(message, "roi")
    x, y = _integer(roi, "x_offset"), _integer(roi, "y_offset")
    width, height = _integer(roi, "width") or camera.width, _integer(roi, "height") or camera.height
    if min(x, y) < 0 or not (0 < width <= camera.width - x and 0 < height <= camera.height - y):
        raise InputError(
            f"ROI {width}x{height} at ({x}, {y}) leaves the {camera.width}x{camera.height} image", "camera_info.roi"
        )
    return camera.cropped(x, y, width, height)


def _binned(camera: Camera, message: Any) -> Camera:
    """The camera after binning (0 counts as 1); columns and rows that do not fill a bin are cut off."""
    bx, by = _integer(message, "binning_x") or 1, _integer(message, "binning_y") or 1
    if not (0 < bx <= camera.width and 0 < by <= camera.height):
        raise InputError(f"binning {bx}x{by} of {camera.width}x{camera.height} pixels", "camera_info.binning")
    width, height = camera.width // bx, camera.height // by
    return camera.cropped(0, 0, width * bx, height * by).resized(width, height)


def image_from_message(message: Any, max_pixels: int = MAX_PIXELS) -> Image:
    """(H, W, 3) uint8 RGB of a sensor_msgs Image or CompressedImage; 16 bits are cut to the upper 8.

    Raises InputError: `image.encoding`, `image.size`, `image.step`, `image.length`, `image.too_large`,
    `image.compressed`.
    """
    if hasattr(message, "format"):
        return _decompressed(message, max_pixels)
    encoding = str(_attribute(message, "encoding"))
    kind, channels, _ = _encoding(encoding)
    height, width = _integer(message, "height"), _integer(message, "width")
    _check_size(width, height, max_pixels)
    dtype = np.dtype(kind).newbyteorder(">" if _attribute(message, "is_bigendian") else "<")
    rows = _rows(message, height, width * channels * dtype.itemsize)
    return _to_rgb(np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels), encoding)


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
    """(height, used) bytes of an Image, padding at the end of rows taken off."""
    step, data = _integer(message, "step"), _bytes(message)
    if step < used:
        raise InputError(f"a row needs {used} bytes, but step is {step}", "image.step")
    if len(data) != step * height:
        raise InputError(f"{height} rows of {step} bytes are not {len(data)} bytes", "image.length")
    return data.reshape(height, step)[:, :used]


def _to_rgb(pixels: NDArray[Any], encoding: str) -> Image:
    """(H, W, 3) uint8 of (H, W, C) pixels in the given encoding; never a view of its input."""
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


def _decompressed(message: Any, max_pixels: int) -> Image:
    """A CompressedImage, whose size is read from its header before anything is unpacked."""
    source, _, transport = str(message.format).partition(";")
    if "compressedDepth" in transport or source.strip() in ("16UC1", "32FC1"):
        raise InputError(f"{message.format!r} is depth, not an image: choose another topic", "image.encoding")
    data = _bytes(message)
    width, height = _compressed_size(data.tobytes())
    _check_size(width, height, max_pixels)
    mosaic = source.startswith("bayer_") and not transport.strip().endswith(("bgr8", "rgb8"))
    # the calibration is that of the pixels as they are stored: an EXIF rotation must not be applied
    flags = (cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise InputError(f"cannot decode a {message.format!r} image: {error.err}", "image.compressed") from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise InputError(f"cannot decode a {message.format!r} image: the data is damaged", "image.compressed")
    return _to_rgb(pixels.reshape(height, width, -1), f"{source[:10]}8" if mosaic else "bgr8")


def _compressed_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole PNG or JPEG file, from its header."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and b"IEND" in data[24:][-64:]:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(data)
    raise InputError(f"{len(data)} bytes are not a whole JPEG or PNG file", "image.compressed")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """From the frame header (ITU-T T.81, B.2.2). Without an end marker after it, rows are missing."""
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
        at += 2 + length
    raise InputError("the JPEG data has no frame header", "image.compressed")


def cloud_from_message(message: Any, intensity_field: str = "intensity", max_points: int = MAX_POINTS) -> PointCloud:
    """Finite points of a PointCloud2 with intensity in 0..1, or none if the field is absent.

    Integer intensities are divided by the largest value of their type (u1: 255); floats by 255 if any is above 1.5.
    Points beyond MAX_COORDINATE are left out, and of more than `max_points` a random part is kept (same seed always).
    Raises InputError: `cloud.layout`, `cloud.field_missing`, `cloud.field_type`, `cloud.empty`, `cloud.too_few_unique`.
    """
    fields = _fields(message, ("x", "y", "z", intensity_field))
    points = _point_bytes(message)
    columns = {
        name: _column(points, *place, bool(_attribute(message, "is_bigendian"))) for name, place in fields.items()
    }
    with np.errstate(over="ignore"):
        xyz = np.stack([columns[name] for name in "xyz"], axis=1).astype(np.float32, copy=False)
    intensity = _unit_intensity(columns[intensity_field]) if intensity_field in columns else None
    return _usable(PointCloud(xyz, intensity), max_points)


def _fields(message: Any, names: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Name -> (offset, NumPy type) of the wanted fields; refuses a layout that does not fit into a point."""
    step = _integer(message, "point_step")
    found: dict[str, tuple[int, str]] = {}
    for field in _attribute(message, "fields"):
        name, offset = str(_attribute(field, "name")), _integer(field, "offset")
        kind = _POINT_TYPES.get(_integer(field, "datatype"))
        end = offset + max(_integer(field, "count"), 1) * np.dtype(kind or "u1").itemsize
        if offset < 0 or end > step:
            raise InputError(f"field {name!r} ends at byte {end} of a point of {step}", "cloud.layout")
        if name not in names:
            continue
        if name in found:
            raise InputError(f"the cloud has two fields {name!r}", "cloud.layout")
        if kind is None:
            raise InputError(f"field {name!r} has an unknown data type {field.datatype}", "cloud.field_type")
        found[name] = (offset, kind)
    missing = [name for name in "xyz" if name not in found]
    if missing:
        raise InputError(f"the cloud has no field {', '.join(missing)}", "cloud.field_missing")
    return found


def _point_bytes(message: Any) -> NDArray[np.uint8]:
    """(N, point_step) bytes, padding at the end of rows taken off."""
    height, width = _integer(message, "height"), _integer(message, "width")
    point_step, row_step, data = _integer(message, "point_step"), _integer(message, "row_step"), _bytes(message)
    if width == 0 or height == 0:
        raise InputError("the cloud has no points", "cloud.empty")
    if min(width, height) < 0 or row_step < width * point_step:
        raise InputError(f"{width} points of {point_step} bytes do not fit a row of {row_step}", "cloud.layout")
    if len(data) < height * row_step:
        raise InputError(f"{height} rows of {row_step} bytes need more than {len(data)} bytes", "cloud.layout")
    rows = data[: height * row_step].reshape(height, row_step)[:, : width * point_step]
    return np.ascontiguousarray(rows).reshape(-1, point_step)


def _column(points: NDArray[np.uint8], offset: int, kind: str, bigendian: bool) -> NDArray[Any]:
    """(N,) values of a field in its own type; of a field that is an array, the first."""
    dtype = np.dtype(kind).newbyteorder(">" if bigendian else "<")
    return np.ndarray(len(points), dtype, points, offset, (points.shape[1],))


def _unit_intensity(values: NDArray[Any]) -> Points:
    """(N,) in 0..1; see cloud_from_message."""
    if values.dtype.kind in "iu":
        scale = float(np.iinfo(values.dtype).max)
    else:
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        scale = 255.0 if values.max(initial=0.0) > 1.5 else 1.0
    return np.clip(values / scale, 0.0, 1.0).astype(np.float32)


def _usable(cloud: PointCloud, max_points: int) -> PointCloud:
    """The cloud without points that are not finite or out of range, thinned, and refused if it fixes no geometry."""
    with np.errstate(invalid="ignore"):
        x, y, z = (np.abs(cloud.xyz[:, axis]) < MAX_COORDINATE for axis in range(3))  # false for NaN too
    keep = x & y & z
    if not keep.any():
        raise InputError(f"none of {len(keep)} points is finite and within {MAX_COORDINATE:.0f} m", "cloud.empty")
    if not keep.all():
        cloud = cloud.selected(keep)
    if len(cloud) > max_points:
        cloud = cloud.selected(np.sort(np.random.default_rng(0).choice(len(cloud), max_points, replace=False)))
    if len(cloud) < 4 or _on_a_line(cloud.xyz):
        raise InputError(f"{len(cloud)} points all lie on one line", "cloud.too_few_unique")
    return cloud


def _on_a_line(xyz: Points) -> bool:
    """Whether the points deviate from one line by a millimetre at most; a thousand of them nearly always tell."""
    parts = (xyz[:: len(xyz) // 1000 + 1], xyz)
    return all(np.linalg.eigvalsh(np.cov(part.T, bias=True))[1] <= 1e-6 for part in parts)


def _attribute(message: Any, *names: str) -> Any:
    """The first attribute that there is: ROS 1 and ROS 2 differ in some names."""
    for name in names:
        if hasattr(message, name):
            return getattr(message, name)
    raise InputError(f"a {type(message).__name__} has no {names[0]!r}: it is another type of message", "message.type")


def _integer(message: Any, *names: str) -> int:
    value = _attribute(message, *names)
    try:
        return operator.index(value)
    except TypeError as error:
        raise InputError(f"{names[0]} must be an integer, got {value!r}", "message.type") from error


def _numbers(values: Any, count: int | None, reason: str) -> Array:
    """(count,) float64 of a list or array."""
    try:
        numbers = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"expected numbers, got {values!r}", reason) from error
    if count is not None and numbers.size != count:
        raise InputError(f"expected {count} numbers, got {numbers.size}", reason)
    return numbers


def _bytes(message: Any) -> NDArray[np.uint8]:
    """(N,) uint8 view of a message's data: bytes, array.array or NumPy array."""
    data = _attribute(message, "data")
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise InputError(f"the data of a message must be bytes, got a {type(data).__name__}", "message.type") from error

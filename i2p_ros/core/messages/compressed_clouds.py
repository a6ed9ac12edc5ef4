# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder of point_cloud_interfaces/CompressedPointCloud2, as the plugins of point_cloud_transport write it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.decompression import decompressed
from i2p_ros.core.errors import InputError, install_command, one_line
from i2p_ros.core.messages.clouds import MAX_POINTS, POINT_TYPES, cloud_from_message
from i2p_ros.core.messages.draco import draco_layout
from i2p_ros.core.messages.reading import attribute, bytes_of, integer
from i2p_ros.core.types import PointCloud

MAX_BYTES = 2**28  # of an unpacked cloud: a larger one is a decompression bomb or a broken header
_FLOAT64 = 8  # sensor_msgs/PointField
_CONVERT = (
    "convert it: `ros2 run point_cloud_transport republish --ros-args -p in_transport:={0} -p out_transport:=raw "
    "--remap in:=TOPIC --remap out:=/points`"
)
_CONVERT_BAG = ", or of a bag `cloudini_rosbag_converter -f BAG.mcap -o RAW.mcap -d`"


def cloud_from_compressed(
    message: Any, intensity_field: str = "", max_points: int = MAX_POINTS, max_bytes: int = MAX_BYTES
) -> PointCloud:
    """Cloud of a CompressedPointCloud2 in the format zlib, zstd or draco; see `cloud_from_message`.

    No more is unpacked than the layout of the message states, and at most `max_bytes`. Draco needs DracoPy, which
    gives float64 as float32: of such fields only x, y and z are kept. Raises InputError: `cloud.format` for another
    format or a missing package, `cloud.too_large`, `cloud.compressed`, and those of `cloud_from_message`.
    """
    stated = str(attribute(message, "format"))
    form = stated.strip().lower()
    if form not in ("zlib", "zstd", "draco"):
        advice = _CONVERT.format(form or "TRANSPORT") + (_CONVERT_BAG if form == "cloudini" else "")
        raise InputError(
            f"a point_cloud_interfaces/msg/CompressedPointCloud2 of the format {stated!r} cannot be read: {advice}",
            "cloud.format",
        )
    height, row_step = integer(message, "height"), integer(message, "row_step")
    size = height * row_step
    if not 0 <= size <= max_bytes:
        raise InputError(f"{height} rows of {row_step} bytes are more than the {max_bytes} allowed", "cloud.too_large")
    data = bytes_of(message, "compressed_data").tobytes()
    if form == "draco":
        return cloud_from_message(_from_draco(message, data, size), intensity_field, max_points)
    plain = _unpacked(data, size, form)
    names = ("header", "height", "width", "fields", "is_bigendian", "point_step", "row_step")
    raw = SimpleNamespace(**{name: attribute(message, name) for name in names}, data=plain)
    return cloud_from_message(raw, intensity_field, max_points)


def _unpacked(data: bytes, size: int, form: str) -> bytes:
    """The `size` bytes that the data of zlib or zstd holds; InputError if it is damaged or holds more or less."""
    try:
        plain = decompressed(data, form, size)
    except ValueError as error:
        raise InputError(str(error), "cloud.compressed") from error
    if len(plain) != size:
        raise InputError(f"the {form} data does not hold height times row_step = {size} bytes", "cloud.compressed")
    return plain


def _from_draco(message: Any, data: bytes, size: int) -> Any:
    """A PointCloud2 with the attributes of the Draco data as fields, one after the other.

    The plugin writes an attribute for each field, in their order and without names.
    """
    fields = [
        (str(attribute(f, "name")), integer(f, "datatype"), integer(f, "count")) for f in attribute(message, "fields")
    ]
    count = integer(message, "width") * integer(message, "height")
    points, values = draco_layout(data)
    if count == 0:
        raise InputError("the cloud has no points", "cloud.empty")
    if points != count or points * sum(width for _, width in values) > size:
        raise InputError(f"the Draco data has {points} points, but the message {count} in {size} bytes", "cloud.layout")
    if [number for number, _ in values] != [_values(*field) for field in fields]:
        raise InputError("the Draco data has other attributes than the message has fields", "cloud.layout")
    columns = {}
    for (name, kind, number), column in zip(fields, _draco_columns(data, points), strict=True):
        if name in columns:
            raise InputError(f"the cloud has two fields {name!r}", "cloud.layout")
        if number <= 1 and kind in POINT_TYPES and (kind != _FLOAT64 or name in ("x", "y", "z")):
            columns[name] = (kind, column)
    return _packed(message, columns, points)


def _values(name: str, _: int, count: int) -> int:
    """Values of an attribute for each point: the plugin splits a packed colour into its four bytes."""
    return max(count, 1) * (4 if name in ("rgb", "rgba") else 1)


def _draco_columns(data: bytes, points: int) -> list[NDArray[Any]]:
    """Values (N, K) of each attribute of Draco data with N points."""
    try:
        import DracoPy
    except ImportError as error:
        raise InputError(
            f"a CompressedPointCloud2 of the format draco needs DracoPy ({install_command('compressed')}); or "
            + _CONVERT.format("draco"),
            "cloud.format",
        ) from error
    try:
        columns = [entry["data"] for entry in DracoPy.decode(data).attributes]
    except Exception as error:
        raise InputError(f"the Draco data is damaged: {one_line(error)}", "cloud.compressed") from error
    if any(column is None or len(column) != points for column in columns):
        raise InputError("the Draco data lacks values", "cloud.compressed")
    return columns


def _packed(message: Any, columns: dict[str, tuple[int, NDArray[Any]]], points: int) -> Any:
    """A PointCloud2 of one row, of one value a point for each field, each of its own datatype."""
    step, fields, parts = 0, [], []
    for name, (kind, column) in columns.items():
        with np.errstate(invalid="ignore", over="ignore"):
            values = column[:, 0].astype(f"<{POINT_TYPES[kind]}")
        fields.append(SimpleNamespace(name=name, offset=step, datatype=kind, count=1))
        parts.append(values.view(np.uint8).reshape(points, -1))
        step += values.dtype.itemsize
    return SimpleNamespace(
        header=attribute(message, "header"), height=1, width=points, fields=fields, is_bigendian=False,
        point_step=step, row_step=points * step, data=np.concatenate(parts, axis=1).tobytes() if parts else b"",
    )  # fmt: skip

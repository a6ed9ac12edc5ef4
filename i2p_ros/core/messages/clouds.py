# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder of sensor_msgs/PointCloud2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import InputError
from i2p_ros.core.intensity import unit_intensity
from i2p_ros.core.messages.headers import stamp_of
from i2p_ros.core.messages.point_times import TIME_FIELDS, seconds_since, time_unit
from i2p_ros.core.messages.reading import attribute, bytes_of, integer
from i2p_ros.core.types import PointCloud, Points

MAX_POINTS = 1_000_000  # of a larger cloud a random part is kept
INTENSITY_FIELDS = ("intensity", "i", "reflectivity", "signal")
MAX_COORDINATE = 10_000.0  # m: beyond the range of any lidar, and float32 is still exact to 1 mm here
# sensor_msgs/PointField datatype -> NumPy type
POINT_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


def cloud_from_message(message: Any, intensity_field: str = "", max_points: int = MAX_POINTS) -> PointCloud:
    """Cloud of a PointCloud2, with intensity in 0..1 and times of points in s if it has such fields.

    Intensity is the field `intensity_field`, or without a name the first of INTENSITY_FIELDS; `unit_intensity` has its
    scale. Time is the first of TIME_FIELDS; `seconds_since` has its units. See `usable` for the points that are kept.
    Raises InputError: `cloud.layout`, `cloud.field_missing`, `cloud.field_type`, `cloud.empty`, `cloud.too_few_unique`.
    """
    intensities = (intensity_field,) if intensity_field else INTENSITY_FIELDS
    fields = _fields(message, ("x", "y", "z", *intensities, *TIME_FIELDS))
    points, bigendian = _point_bytes(message), bool(attribute(message, "is_bigendian"))

    def column(*names: str) -> NDArray[Any] | None:
        place = next((fields[name] for name in names if name in fields), None)
        return None if place is None else _column(points, *place, bigendian)

    with np.errstate(over="ignore"):
        xyz = np.stack([_column(points, *fields[name], bigendian) for name in "xyz"], axis=1, dtype=np.float32)
    intensity, time = column(*intensities), column(*TIME_FIELDS)
    cloud = PointCloud(
        xyz,
        None if intensity is None else unit_intensity(intensity),
        None if time is None else seconds_since(_stamp(message), time, _near(xyz)),
    )
    return usable(cloud, max_points)


def stated_times(message: Any) -> tuple[str, int, bool] | None:
    """The field of a PointCloud2 with the times of its points, and `time_unit` of it; none if there is no such field.

    Raises InputError as `cloud_from_message`.
    """
    fields = _fields(message, ("x", "y", "z", *TIME_FIELDS))
    name = next((name for name in TIME_FIELDS if name in fields), None)
    if name is None:
        return None
    points, bigendian = _point_bytes(message), bool(attribute(message, "is_bigendian"))
    xyz = np.stack([_column(points, *fields[axis], bigendian) for axis in "xyz"], axis=1, dtype=np.float32)
    values = _column(points, *fields[name], bigendian)
    values = values.astype(values.dtype.newbyteorder("="))
    return name, *time_unit(_stamp(message), values, _near(xyz))


def _fields(message: Any, names: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Offset and NumPy type of the wanted fields, by name; InputError for a field that does not fit into a point."""
    step = integer(message, "point_step")
    found: dict[str, tuple[int, str]] = {}
    for field in attribute(message, "fields"):
        name, offset, count = str(attribute(field, "name")), integer(field, "offset"), integer(field, "count")
        kind = POINT_TYPES.get(integer(field, "datatype"))
        end = offset + max(count, 1) * np.dtype(kind or "u1").itemsize
        if offset < 0 or end > step:
            raise InputError(f"field {name!r} ends at byte {end} of a point of {step}", "cloud.layout")
        if name not in names:
            continue
        if name in found:
            raise InputError(f"the cloud has two fields {name!r}", "cloud.layout")
        if kind is None:
            raise InputError(f"field {name!r} has an unknown data type {field.datatype}", "cloud.field_type")
        found[name] = (offset, "u8" if (name in TIME_FIELDS and kind == "u4" and count == 2) else kind)
    missing = [name for name in "xyz" if name not in found]
    if missing:
        raise InputError(f"the cloud has no field {', '.join(missing)}", "cloud.field_missing")
    return found


def _point_bytes(message: Any) -> NDArray[np.uint8]:
    """Bytes (N, point_step) of the points, without the padding at the end of rows."""
    height, width = integer(message, "height"), integer(message, "width")
    point_step, row_step, data = integer(message, "point_step"), integer(message, "row_step"), bytes_of(message)
    if width == 0 or height == 0:
        raise InputError("the cloud has no points", "cloud.empty")
    if min(width, height) < 0 or row_step < width * point_step:
        raise InputError(f"{width} points of {point_step} bytes do not fit a row of {row_step}", "cloud.layout")
    if len(data) < height * row_step:
        raise InputError(f"{height} rows of {row_step} bytes need more than {len(data)} bytes", "cloud.layout")
    rows = data[: height * row_step].reshape(height, row_step)[:, : width * point_step]
    return np.ascontiguousarray(rows).reshape(-1, point_step)


def _column(points: NDArray[np.uint8], offset: int, kind: str, bigendian: bool) -> NDArray[Any]:
    """Values (N,) of a field in its own type; of an array field, its first element."""
    dtype = np.dtype(kind).newbyteorder(">" if bigendian else "<")
    return np.ndarray(len(points), dtype, points, offset, (points.shape[1],))


def _stamp(message: Any) -> int:
    """Stamp of the header, ns; 0 if it is unusable, which is refused where messages are paired by their stamps."""
    try:
        return stamp_of(message)
    except InputError:
        return 0


def usable(cloud: PointCloud, max_points: int = MAX_POINTS) -> PointCloud:
    """The finite points of a cloud within MAX_COORDINATE; of more than `max_points`, a random part with a fixed seed.

    Raises InputError `cloud.empty` if there are none, and `cloud.too_few_unique` if all lie on one line.
    """
    keep = _near(cloud.xyz)
    if not keep.any():
        raise InputError(
            f"none of {len(keep)} points is finite and within {MAX_COORDINATE:.0f} m of the origin of its frame; map "
            "coordinates such as UTM must be published in a frame near the points: a frame of tf cannot be shifted",
            "cloud.empty",
        )
    if not keep.all():
        cloud = cloud.selected(keep)
    if len(cloud) > max_points:
        lots = np.random.default_rng(0).random(len(cloud))  # quicker than `choice`
        cloud = cloud.selected(np.flatnonzero(lots < np.partition(lots, max_points)[max_points]))
    if len(cloud) < 4 or _on_a_line(cloud.xyz):
        raise InputError(f"{len(cloud)} points all lie on one line", "cloud.too_few_unique")
    return cloud


def _near(xyz: Points) -> NDArray[np.bool_]:
    """Which points (N,) are finite and within MAX_COORDINATE."""
    with np.errstate(invalid="ignore"):
        x, y, z = (np.abs(xyz[:, axis]) < MAX_COORDINATE for axis in range(3))  # false for NaN too
    return np.asarray(x & y & z)


def _on_a_line(xyz: Points) -> bool:
    """Whether all points (N, 3) are within about a millimetre of one line. A sample of a thousand is tested first."""
    parts = (xyz[:: len(xyz) // 1000 + 1], xyz)
    return all(np.linalg.eigvalsh(np.cov(part.T, bias=True))[1] <= 1e-6 for part in parts)

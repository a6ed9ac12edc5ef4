# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of one cloud from a file: .bin, .npy, .pcd, .ply, .las or .laz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2p_ros.core.errors import InputError
from i2p_ros.core.geometry import Array
from i2p_ros.core.intensity import unit_intensity
from i2p_ros.core.messages.clouds import INTENSITY_FIELDS, MAX_COORDINATE
from i2p_ros.core.types import PointCloud
from i2p_ros.sources.cloud_columns import Columns, parsed_columns
from i2p_ros.sources.las_file import read_las
from i2p_ros.sources.pcd_file import read_pcd
from i2p_ros.sources.ply_file import read_ply
from i2p_ros.sources.raw_clouds import read_bin, read_npy

RAW_READERS = {".bin": read_bin, ".npy": read_npy}  # formats without names of columns
READERS: dict[str, Callable[[Path], Columns]] = {
    ".pcd": read_pcd, ".ply": read_ply, ".las": read_las, ".laz": read_las,
}  # fmt: skip
# besides those of messages: CloudCompare's names in .ply, and those of scanners
INTENSITY_COLUMNS = (*INTENSITY_FIELDS, "scalar_intensity", "scalar_reflectivity", "reflectance", "remission")
FARTHEST = 1e9  # m: beyond the coordinates of any map


@dataclass(frozen=True, slots=True, eq=False)
class CloudFile:
    """A cloud and how it was read.

    `columns` are the names of all columns of the file, `_` for those without use. `intensity` is the column of the
    intensity, or empty. `offset` (3,), m, was subtracted from all points: a pose in the cloud refers to a frame with
    the axes of the file's frame and its origin at `offset`. It is zero unless the coordinates are those of a map.
    """

    cloud: PointCloud
    columns: tuple[str, ...]
    intensity: str
    offset: Array


def read_cloud_file(path: Path, columns: str = "", intensity_field: str = "") -> CloudFile:
    """Cloud of a file: coordinates in m, and intensity in 0..1 if it has such a column.

    `columns` are those of a .bin or .npy file, as `parsed_columns` takes them. Without them, the number of columns of
    a .bin file follows from its numbers. Intensity is the column `intensity_field`, which must be there, or without a
    name the first of INTENSITY_COLUMNS; `unit_intensity` has its scale. Of coordinates beyond MAX_COORDINATE, as of
    UTM, an offset is subtracted in float64: float32 would round them to decimetres.
    Raises InputError: `cloud`, `cloud.missing`, `cloud.broken`, `cloud.truncated`, `cloud.shape`, `cloud.columns`,
    `cloud.mesh`, `cloud.field_missing`, `cloud.too_large`. Raises MissingPackageError without the library of a format.
    """
    kind = path.suffix.lower()
    if kind in RAW_READERS:
        found, names = RAW_READERS[kind](path, parsed_columns(columns) if columns else ())
    elif kind not in READERS:
        known = ", ".join((*RAW_READERS, *READERS))
        raise InputError(f"{path}: a cloud file ends in {known}, not {path.suffix or 'nothing'}", "cloud")
    elif columns:
        raise InputError(f"{path} names its columns: --columns is for {', '.join(RAW_READERS)}", "cloud.columns")
    else:
        found = READERS[kind](path)
        names = tuple(found)
    return _cloud_of(path, {name.lower(): values for name, values in found.items()}, names, intensity_field.lower())


def _cloud_of(path: Path, found: Columns, names: tuple[str, ...], intensity_field: str) -> CloudFile:
    """The cloud of columns with names in lower case. `names` are those of the file."""
    needed = ("x", "y", "z", intensity_field) if intensity_field else ("x", "y", "z")
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(names) or 'none'}", "cloud.field_missing"
        )
    xyz = np.stack([found[axis] for axis in "xyz"], axis=1, dtype=np.float64)
    offset = _offset(xyz)
    wanted = (intensity_field,) if intensity_field else INTENSITY_COLUMNS
    intensity = next((name for name in wanted if name in found), "")
    with np.errstate(over="ignore"):
        points = (xyz - offset).astype(np.float32)
    cloud = PointCloud(points, unit_intensity(np.asarray(found[intensity])) if intensity else None)
    return CloudFile(cloud, names, intensity, offset)


def _offset(xyz: Array) -> Array:
    """Median (3,) of the points (N, 3) in whole m if it is beyond MAX_COORDINATE on any axis, else zero.

    Points beyond FARTHEST are left out: the sum of two of the largest doubles is infinite.
    """
    plausible = xyz[(np.abs(xyz) < FARTHEST).all(axis=1)]  # false for NaN
    if not len(plausible):
        return np.zeros(3)
    median = np.round(np.median(plausible, axis=0))
    return np.asarray(median if np.abs(median).max() > MAX_COORDINATE else np.zeros(3))

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of .las and .laz files (LAS 1.1 to 1.5), by laspy and lazrs.

laspy reads as many records as the header says. The header is therefore compared with the size of the file first.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from i2p_ros.core.errors import InputError, MissingPackageError, install_command
from i2p_ros.sources.cloud_columns import Columns, check_size, unreadable

VLR_BYTES = 54  # of the head of a variable length record
MAX_RATIO = 100  # bytes of points for each byte of a .laz file; real ones have up to 20
LAZ = 0x80  # bit of the point format that marks compressed points
LAYERED = 3  # compressor of point formats from 6 on
LAYERS = {10: 9, 11: 1, 12: 2, 13: 1}  # of an item of a layered point, by its type; others have one for each byte


@dataclass(frozen=True, slots=True)
class _LasSizes:
    """Sizes in the public header block (LAS 1.4 R15, table 3): header, start of points, records, point, points."""

    header: int
    start: int
    records: int
    packed: bool
    point: int
    points: int


def read_las(path: Path) -> Columns:
    """Columns x, y, z (float64, with scale and offset of the file applied) and intensity (uint16) of its points.

    Raises InputError `cloud.broken` for a damaged file and `cloud.too_large` as `check_size`, and MissingPackageError
    without laspy or lazrs.
    """
    try:
        import laspy
        import lazrs
    except ImportError as error:
        what = f"a {path.suffix} file needs laspy and lazrs: {install_command('files')}"
        raise MissingPackageError(what) from error
    try:
        _check_sizes(path)
        with laspy.open(path, read_evlrs=False, laz_backend=laspy.LazBackend.Lazrs) as reader:
            for record in reader.header.vlrs.get("LasZipVlr"):
                vlr = lazrs.LazVlr(record.record_data)
                if vlr.item_size() != reader.header.point_format.size:
                    raise InputError("its compressed points have another size than its header says")
                with path.open("rb") as file:
                    file.seek(reader.header.offset_to_point_data)
                    _check_layers(file, lazrs.read_chunk_table(file, vlr), bytes(record.record_data))
            points = reader.read_points(-1)
            if len(points) < reader.header.point_count:
                raise InputError(f"it has {len(points)} points of {reader.header.point_count}")
            with np.errstate(over="ignore", invalid="ignore"):
                xyz = {axis: np.asarray(points[axis], np.float64) for axis in "xyz"}
            return {**xyz, "intensity": np.asarray(points["intensity"])}
    except BaseException as error:  # of laspy, lazrs and NumPy
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # of Rust: it is no Exception
            raise unreadable(path, error) from error
        raise


def _check_sizes(path: Path) -> None:
    """Raise InputError if the records and points of the header do not fit into the file, or are too many."""
    size = path.stat().st_size
    with path.open("rb") as file:
        sizes = _sizes(file.read(375))
        chunks = _chunks(file, sizes.start, size) if sizes.packed else 0
    if not sizes.header <= sizes.start <= size or sizes.records * VLR_BYTES > sizes.start - sizes.header:
        raise InputError(f"{sizes.records} records before byte {sizes.start} do not fit into {size} bytes")
    if sizes.packed and not 0 < chunks <= size:
        raise InputError(f"its {chunks} chunks do not fit into {size} bytes")
    room = MAX_RATIO * size if sizes.packed else size - sizes.start
    if sizes.points * sizes.point > room:
        raise InputError(f"{sizes.points} points of {sizes.point} bytes do not fit into {size} bytes: it is cut short")
    check_size(sizes.points, sizes.point)


def _sizes(head: bytes) -> _LasSizes:
    """Sizes in the first bytes of a file."""
    if len(head) < 227 or head[:4] != b"LASF":
        raise InputError("it does not begin with a LAS header")
    header, start, records, kind, point, points = struct.unpack_from("<HIIBHI", head, 94)
    if head[25] >= 4 and len(head) >= 255:
        (points,) = struct.unpack_from("<Q", head, 247)
    return _LasSizes(header, start, records, bool(kind & LAZ), point, points)


def _chunks(file: BinaryIO, start: int, size: int) -> int:
    """Number of chunks in the table of a .laz file, whose place is the first number of the points or the last one."""
    file.seek(start)
    place = int.from_bytes(file.read(8), "little", signed=True)
    if place < 0:
        file.seek(-8, os.SEEK_END)
        place = int.from_bytes(file.read(8), "little", signed=True)
    if not start < place <= size - 8:
        raise InputError("its table of chunks is missing: it is cut short")
    file.seek(place + 4)
    return int.from_bytes(file.read(4), "little")


def _check_layers(file: BinaryIO, chunks: list[tuple[int, int]], record: bytes) -> None:
    """Raise InputError if the layers of a chunk are longer than the chunk: lazrs allocates what they say.

    The file is at its first chunk. A chunk is (points, bytes): its first point, its number of points, the lengths of
    its layers, and the layers (laszip's `lasreadpoint.cpp`). `record` is the laszip record of the header.
    """
    if int.from_bytes(record[:2], "little") != LAYERED:
        return
    (count,) = struct.unpack_from("<H", record, 32)
    items = [struct.unpack_from("<HH", record, 34 + 6 * k) for k in range(count)]
    first, layers = sum(size for _, size in items), sum(LAYERS.get(kind, size) for kind, size in items)
    place = file.tell()
    for _, length in chunks:
        file.seek(place + first + 4)
        lengths = np.frombuffer(file.read(4 * layers), "<u4")
        if len(lengths) < layers or int(lengths.sum(dtype=np.int64)) > length:
            raise InputError(f"the layers of a chunk do not fit into its {length} bytes")
        place += length

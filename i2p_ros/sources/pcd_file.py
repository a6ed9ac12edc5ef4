# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of .pcd files (PCD 0.7), by pypcd4.

pypcd4 takes the sizes of the header as they are, and reads on where a header has more than ten lines or names that it
does not know. The header is therefore compared with the file before pypcd4 gets it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

from i2p_ros.core.errors import InputError, MissingPackageError, install_command
from i2p_ros.sources.cloud_columns import IGNORED, Columns, check_size, unreadable

LINES = ("VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA")  # of PCD 0.7
ENCODINGS = ("ascii", "binary", "binary_compressed")
MAX_LINE = 4096  # bytes
MAX_VALUES = 1000  # of a point, with padding
LZF_RATIO = 88  # three bytes of LZF give at most 264


def read_pcd(path: Path) -> Columns:
    """Columns of a .pcd file in any of its encodings, without padding and without fields of several values.

    Raises InputError `cloud.broken` for a header that contradicts itself or the size of the file, or damaged data,
    `cloud.too_large` as `check_size`, and MissingPackageError without pypcd4.
    """
    try:
        from pypcd4 import PointCloud as PcdCloud
    except ImportError as error:
        raise MissingPackageError(f"a .pcd file needs pypcd4: {install_command('files')}") from error
    try:
        with path.open("rb") as file:
            stated = _header(file)
            header = {"COUNT": ["1"] * len(stated["FIELDS"]), **stated}
            _check_sizes(header, path.stat().st_size - file.tell(), file)
            found = PcdCloud.from_fileobj(_prepared(file, header, is_whole="COUNT" in stated))
        return _columns(found, header)
    except Exception as error:  # of pydantic, NumPy, struct and LZF
        raise unreadable(path, error) from error


def _columns(found: Any, header: dict[str, list[str]]) -> Columns:
    """Columns of pypcd4's cloud. It names padding at random, and cuts names at characters that it does not know."""
    points, values = int(header["POINTS"][0]), found.pc_data.ravel()
    read = tuple(
        IGNORED if name == IGNORED else known
        for name, known in zip(header["FIELDS"], found.metadata.fields, strict=False)
    )
    if read != tuple(header["FIELDS"]):
        raise InputError(f"its fields {', '.join(header['FIELDS'])} have names that are not read")
    if len(values) != points:
        raise InputError(f"it has {len(values)} points of {points}")
    names = [n for n, count in zip(read, header["COUNT"], strict=True) if n != IGNORED and count == "1"]
    return {name: values[name] for name in names}


def _header(file: BinaryIO) -> dict[str, list[str]]:
    """Words of each line of the header, by its first word. COUNT may be missing. The file is then at its data."""
    rows: dict[str, list[str]] = {}
    while "DATA" not in rows:
        line = file.readline(MAX_LINE)
        words = line.decode().split()
        if not line or len(line) == MAX_LINE or (words and words[0] in rows):
            raise InputError("its header has a line twice or no end")
        if words and not words[0].startswith("#"):
            rows[words[0]] = words[1:]
    if {"COUNT", *rows} != set(LINES) or not all(rows.values()) or rows["DATA"][0] not in ENCODINGS:
        raise InputError(f"its header needs the lines {', '.join(LINES)}, and one of {', '.join(ENCODINGS)} as DATA")
    return rows


def _check_sizes(header: dict[str, list[str]], left: int, file: BinaryIO) -> None:
    """Raise InputError if the points, with padding, do not fit into the bytes that are left, or are too many."""
    if len({len(header[key]) for key in ("FIELDS", "SIZE", "TYPE", "COUNT")}) > 1:
        raise InputError("FIELDS, SIZE, TYPE and COUNT of its header differ in length")
    points, counts = int(header["POINTS"][0]), [int(count) for count in header["COUNT"]]
    sizes = [int(size) for size in header["SIZE"]]
    if points < 1 or min(*counts, *sizes, 1) < 1 or sum(counts) > MAX_VALUES or max(sizes) > 8:
        raise InputError(f"its header has {points} points of {sum(counts)} values")
    point_bytes, encoding = sum(s * c for s, c in zip(sizes, counts, strict=True)), header["DATA"][0]
    expected = points * point_bytes
    if encoding == "ascii":  # a digit and a blank or line feed for each value, or more
        expected = 2 * points * sum(counts) - 1
    elif encoding == "binary_compressed":
        place = file.tell()
        packed, unpacked = (int.from_bytes(file.read(4), "little") for _ in range(2))
        file.seek(place)
        if unpacked != expected or unpacked > LZF_RATIO * packed:
            raise InputError(f"{packed} packed bytes cannot hold {points} points of {point_bytes} bytes")
        expected = 8 + packed
    if expected > left:
        raise InputError(f"{points} points need {expected} bytes, and {left} are left: it is cut short")
    check_size(points, point_bytes)


def _prepared(file: BinaryIO, header: dict[str, list[str]], is_whole: bool) -> BinaryIO:
    """The file from its start, as pypcd4 needs it: with all lines, and of ASCII with single blanks between values.

    `is_whole` says that the file itself has all lines. The file is at its data.
    """
    if header["DATA"][0] == "ascii":
        lines = (b" ".join(line.split()) for line in file)
        body = b"\n".join(line for line in lines if line)
    elif is_whole:
        file.seek(0)
        return file
    else:
        body = file.read()
    head = "".join(f"{key} {' '.join(header[key])}\n" for key in LINES)
    return io.BytesIO(head.encode() + body)

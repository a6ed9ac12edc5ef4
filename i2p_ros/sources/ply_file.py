# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of .ply files, ASCII and binary of both byte orders, by plyfile.

plyfile allocates as many rows as the header says. The header is therefore compared with the size of the file first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i2p_ros.core.errors import InputError, MissingPackageError, install_command, one_line
from i2p_ros.sources.cloud_columns import Columns

MAX_HEADER = 65536  # bytes


@dataclass(slots=True)
class _Element:
    """An element of the header: its number of rows, its number of properties, and whether one of them is a list."""

    name: str
    count: int
    properties: int = 0
    lists: bool = False


def read_ply(path: Path) -> Columns:
    """Columns of the vertices of a .ply file.

    Raises InputError `cloud.broken` for a damaged file, and `cloud.mesh` for one with lists, as faces have. Raises
    MissingPackageError without plyfile.
    """
    try:
        from plyfile import PlyData
    except ImportError as error:
        raise MissingPackageError(f"a .ply file needs plyfile: {install_command('files')}") from error
    try:
        _check_header(path)
        vertices = PlyData.read(str(path))["vertex"]
        return {p.name: vertices[p.name] for p in vertices.properties}
    except Exception as error:  # of plyfile and NumPy
        reason = error.reason if isinstance(error, InputError) else "cloud.broken"
        raise InputError(f"{path} is not a readable .ply file of points: {one_line(error)}", reason) from error


def _check_header(path: Path) -> None:
    """Raise InputError if the elements of the header do not fit into the file, or hold lists."""
    with path.open("rb") as file:
        header, end, _ = file.read(MAX_HEADER).partition(b"end_header")
    if not header.startswith(b"ply") or not end:
        raise InputError(f"it does not begin with a header of at most {MAX_HEADER} bytes", "cloud.broken")
    size, elements = path.stat().st_size - len(header), _elements(header)
    if "vertex" not in {element.name for element in elements}:
        raise InputError("it has no element vertex", "cloud.broken")
    for element in elements:
        if element.lists and element.count:
            raise InputError(f"its element {element.name} has lists, as a mesh: save the points alone", "cloud.mesh")
        if not 0 <= element.count * max(element.properties, 1) <= size:  # a value is a byte or more
            raise InputError(f"{element.count} rows of {element.name} do not fit into {size} bytes", "cloud.broken")


def _elements(header: bytes) -> list[_Element]:
    """Elements of a header, in order."""
    found: list[_Element] = []
    for words in (line.split() for line in header.splitlines()):
        if words[:1] == [b"element"] and len(words) == 3:
            found.append(_Element(words[1].decode("ascii", "replace"), int(words[2])))
        elif words[:1] == [b"property"] and found:
            found[-1].properties += 1
            found[-1].lists |= words[1:2] == [b"list"]
    return found

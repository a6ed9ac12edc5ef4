# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files that were cut off: a recorder that crashed, a full disk, half a download (mcap.dev/spec)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")  # its kind, and how many bytes follow
_DATA_END, _FOOTER, _WITH_MESSAGES = 0x0F, 0x02, (0x05, 0x06)  # a message, a chunk of them
# an end of data and a footer without a summary, as the specification allows: readers then look through the file
_ENDING = _RECORD.pack(_DATA_END, 4) + bytes(4) + _RECORD.pack(_FOOTER, 20) + bytes(20) + MAGIC
_BLOCK = 1 << 20


def is_cut_off(path: Path) -> bool:
    """Whether this is an MCAP file without its end, but with messages."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
        size = file.seek(-len(MAGIC), os.SEEK_END) + len(MAGIC)
        return file.read() != MAGIC and _whole_records(file, size) > len(MAGIC)


def write_repaired(path: Path, target: Path) -> None:
    """Copy the whole records of a file that is cut off, and end it properly."""
    with path.open("rb") as file, target.open("wb") as out:
        left = _whole_records(file, file.seek(0, os.SEEK_END))
        file.seek(0)
        while left > 0 and (block := file.read(min(left, _BLOCK))):
            out.write(block)
            left -= len(block)
        out.write(_ENDING)


def _whole_records(file: BinaryIO, size: int) -> int:
    """Bytes up to the end of the last whole record that holds messages."""
    at = end = len(MAGIC)
    while at + _RECORD.size <= size:
        file.seek(at)
        kind, length = _RECORD.unpack(file.read(_RECORD.size))
        at += _RECORD.size + length
        if kind == _DATA_END or at > size:
            break
        if kind in _WITH_MESSAGES:
            end = at
    return end

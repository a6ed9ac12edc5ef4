# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Repair of MCAP files that are cut off by a crash, a full disk or an aborted download (mcap.dev/spec)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")  # kind, and length of the content in bytes
_DATA_END, _FOOTER, _WITH_MESSAGES = 0x0F, 0x02, (0x05, 0x06)  # a message, a chunk of them
# end of data and a footer without a summary; the specification allows it, and readers then scan the file
_ENDING = _RECORD.pack(_DATA_END, 4) + bytes(4) + _RECORD.pack(_FOOTER, 20) + bytes(20) + MAGIC
_BLOCK = 1 << 20


def is_cut_off(path: Path) -> bool:
    """Whether the file is an MCAP file with messages and without its end."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
        size = file.seek(-len(MAGIC), os.SEEK_END) + len(MAGIC)
        return file.read() != MAGIC and _whole_records(file, size) > len(MAGIC)


def write_repaired(path: Path, target: Path) -> None:
    """Write the whole records of a file that is cut off to `target`, with a proper end."""
    with path.open("rb") as file, target.open("wb") as out:
        left = _whole_records(file, file.seek(0, os.SEEK_END))
        file.seek(0)
        while left > 0 and (block := file.read(min(left, _BLOCK))):
            out.write(block)
            left -= len(block)
        out.write(_ENDING)


def _whole_records(file: BinaryIO, size: int) -> int:
    """Number of bytes up to the end of the last whole record that holds messages."""
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

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of PNG, JPEG and WebP files, from their headers: decoders allocate memory for the size that a file states."""

from __future__ import annotations

import struct

from i2p_ros.core.errors import InputError

_PNG_START = b"\x89PNG\r\n\x1a\n"
_ANIMATED = 0x02  # a flag of the header VP8X


def image_file_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole PNG, JPEG or WebP file, from its header. Raises InputError `image.compressed`."""
    if data.startswith(_PNG_START):
        return _png_size(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    raise InputError(f"{len(data)} bytes are not a whole JPEG, PNG or WebP file", "image.compressed")


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file, from its first chunk (PNG specification, 5.3 and 11.2.1).

    All chunks must be complete: decoders allocate the stated length of a chunk before they read it.
    """
    at, kind = len(_PNG_START), data[12:16]
    if kind != b"IHDR":
        raise InputError("the PNG data has no header", "image.compressed")
    while kind != b"IEND":
        kind = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at > len(data):
            raise InputError("the PNG data is truncated or damaged", "image.compressed")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG file, from its frame header (ITU-T T.81, B.2.2). Without an end marker after it, rows
    are missing."""
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
        if length < 2 or marker == 0x01 or 0xD0 <= marker <= 0xD9:  # no length here: decoders would read on elsewhere
            break
        at += 2 + length
    raise InputError("the JPEG data has no frame header", "image.compressed")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP file, from its first chunk (WebP container specification; RFC 6386, 9.1; RFC 9649)."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise InputError("the WebP data is truncated", "image.compressed")
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", body, 6))
        return width, height
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and body[0] & _ANIMATED:
        raise InputError("the WebP data is an animation, not one image", "image.compressed")
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    raise InputError("the WebP data has no frame header", "image.compressed")

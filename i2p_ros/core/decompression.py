# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decompression of messages and of chunks of bags with a limit: a few bytes can unpack to many gigabytes."""

from __future__ import annotations

import bz2
import sys
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame

from i2p_ros.core.errors import one_line

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

_EITHER_HEADER = 47  # zlib's window bits for a header of zlib or gzip: point_cloud_transport writes that of gzip
MOST_FRAMES = 64  # each copies what is left of the data
UNPACKERS: dict[str, Callable[[], Any]] = {
    "zstd": zstd.ZstdDecompressor, "lz4": lz4.frame.LZ4FrameDecompressor, "bz2": bz2.BZ2Decompressor,
    "zlib": lambda: zlib.decompressobj(_EITHER_HEADER),
}  # fmt: skip


def decompressed(data: bytes | memoryview, compression: str, most: int) -> bytes:
    """Content of data of one of UNPACKERS: of all frames, if it was compressed in several, one after the other.

    Raises ValueError if the data is damaged, ends too early, has more than MOST_FRAMES frames, or holds more than
    `most` bytes. No more are unpacked.
    """
    content, left = b"", data
    for _ in range(MOST_FRAMES):
        unpacker = UNPACKERS[compression]()
        try:
            content += unpacker.decompress(left, most + 1 - len(content))
        except (zlib.error, zstd.ZstdError, RuntimeError, OSError, EOFError, ValueError) as error:  # lz4: RuntimeError
            raise ValueError(f"the {compression} data is damaged: {one_line(error)}") from error
        if not unpacker.eof or len(content) > most:
            raise ValueError(f"{len(data)} bytes of {compression} end too early, or unpack to more than {most} bytes")
        left = unpacker.unused_data
        if not left:
            return content
    raise ValueError(f"the {compression} data has more than {MOST_FRAMES} frames")

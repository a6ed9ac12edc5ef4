# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decompression of chunks, messages and files of bags with limits: a few bytes can unpack to many gigabytes."""

from __future__ import annotations

import shutil
from pathlib import Path

from i2p_ros.core.decompression import UNPACKERS, decompressed, zstd
from i2p_ros.core.errors import InputError

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MOST_RATIO = 200  # of unpacked to packed bytes: blank images reach about 100
MOST_BYTES = 64 << 20  # that a chunk or a message may have at any ratio
MOST_FILE_BYTES = 1 << 30  # that a file may have at any ratio
FREE_BYTES = 1 << 30  # that stay free on the disk
_BLOCK = 1 << 20


class BagDamageError(Exception):
    """Bytes of a bag that are not what its format says. A repair tool may save a part of the bag."""


def unpacked(data: memoryview, compression: str, size: int | None = None) -> memoryview:
    """Content of a chunk or message that is compressed with zstd, lz4 or bz2, or not ("" or "none").

    `size` is the number of bytes that the content must have, if that is known. Raises BagDamageError if the data is
    not of this form, has another size, or is more than 64 MiB and more than 200 times the compressed size.
    """
    if compression in ("", "none"):
        content = data
    elif compression not in UNPACKERS:
        raise BagDamageError(f"the compression {compression!r} is unknown; expected {', '.join(UNPACKERS)}")
    else:
        most = max(MOST_BYTES, MOST_RATIO * len(data))
        if size is not None and size > most:
            raise BagDamageError(
                f"{len(data)} bytes of {compression} are said to unpack to {size}: the limit is {most}"
            )
        try:
            content = memoryview(decompressed(data, compression, most if size is None else size))
        except ValueError as error:
            raise BagDamageError(f"a chunk or message cannot be unpacked: {error}") from error
    if size is not None and len(content) != size:
        raise BagDamageError(f"a chunk has {len(content)} bytes instead of {size}")
    return content


def copy_file(path: Path, target: Path) -> None:
    """Copy a file; raises InputError `bag.too_large` if less than 1 GiB would be left free on the disk."""
    if shutil.disk_usage(target.parent).free - path.stat().st_size < FREE_BYTES:
        raise InputError(f"{target.parent} has no room for a copy of {path}: free some disk", "bag.too_large")
    shutil.copyfile(path, target)


def unpack_file(path: Path, target: Path) -> None:
    """Write the content of a .zstd file to `target`. Of a file that is cut off, what is there is written.

    Raises InputError `bag.too_large` if the content is more than 1 GiB and more than 200 times the file, or leaves less
    than 1 GiB free on the disk, and BagDamageError if the file is not zstd.
    """
    most, written = max(MOST_FILE_BYTES, MOST_RATIO * path.stat().st_size), 0
    try:
        with zstd.open(path, "rb") as packed, target.open("wb") as out:
            while block := packed.read1(_BLOCK):  # read() loses what it has at the end of a cut-off file
                written += len(block)
                if written > most or shutil.disk_usage(target.parent).free < FREE_BYTES:
                    raise InputError(
                        f"{path} unpacks to more than {min(most, written)} bytes, which is above the limit or more "
                        f"than {target.parent} has room for; unpack it yourself with `zstd -d {path.name}`",
                        "bag.too_large",
                    )
                out.write(block)
    except EOFError:  # cut off: the reader of the content finds that out
        pass
    except zstd.ZstdError as error:
        raise BagDamageError(f"{path.name} is not valid zstd: {error}") from error

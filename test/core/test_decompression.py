# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed data gives all of its bytes, or an error: also data of several frames, one after the other.

zstandard 0.25.0 and lz4 4.4.5 give the first frame alone (findings/several_frames.sh).
"""

import bz2
import gzip
from collections.abc import Callable

import lz4.frame
import pytest

from i2p_ros.core.decompression import MOST_FRAMES, UNPACKERS, decompressed, zstd

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstd.compress, "lz4": lz4.frame.compress, "bz2": bz2.compress, "zlib": gzip.compress,
}  # fmt: skip
PARTS = [bytes([n]) * 1000 for n in range(3)]
WHOLE = b"".join(PARTS)


def frames(form: str, parts: list[bytes]) -> bytes:
    return b"".join(map(PACKERS[form], parts))


def test_there_is_a_packer_for_each_form() -> None:
    assert PACKERS.keys() == UNPACKERS.keys()


@pytest.mark.parametrize("form", PACKERS)
def test_all_frames_are_unpacked(form: str) -> None:
    assert decompressed(frames(form, PARTS), form, len(WHOLE)) == WHOLE
    assert decompressed(memoryview(frames(form, [WHOLE])), form, len(WHOLE)) == WHOLE
    assert decompressed(frames(form, [WHOLE, b""]), form, len(WHOLE)) == WHOLE


@pytest.mark.parametrize("form", PACKERS)
def test_no_more_than_the_limit_of_all_frames_together(form: str) -> None:
    with pytest.raises(ValueError, match="unpack to more than 2999 bytes"):
        decompressed(frames(form, PARTS), form, len(WHOLE) - 1)


@pytest.mark.parametrize("form", PACKERS)
def test_what_follows_must_be_whole_frames(form: str) -> None:
    packed = frames(form, PARTS)
    with pytest.raises(ValueError, match="end too early"):
        decompressed(packed[:-6], form, len(WHOLE))
    with pytest.raises(ValueError, match="damaged"):
        decompressed(packed + b"no frame at all", form, len(WHOLE))


@pytest.mark.parametrize("form", PACKERS)
def test_the_number_of_frames_has_a_limit(form: str) -> None:
    assert decompressed(frames(form, [b"a"] * MOST_FRAMES), form, 100) == b"a" * MOST_FRAMES
    with pytest.raises(ValueError, match="more than 64 frames"):
        decompressed(frames(form, [b"a"] * (MOST_FRAMES + 1)), form, 100)

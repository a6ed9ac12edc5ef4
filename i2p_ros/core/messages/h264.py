# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframes of H.264 and H.265 data, and the frame numbers of H.264, which tell that a message is missing.

libavcodec decodes H.264 after a loss without any sign: its images are wrong until the next keyframe.
Sources: ITU-T H.264, 7.3.2.1 (sequence parameters), 7.3.3 (slice header), 7.4.3 (frame_num); H.265, table 7-1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from i2p_ros.core.errors import InputError

_UNIT = re.compile(rb"\x00\x00\x01(?=.)", re.DOTALL)  # the start code of a NAL unit
_SLICE, _KEY_SLICE, _SEQUENCE = 1, 5, 7  # types of NAL units of H.264
_KEY_H265 = range(16, 22)  # types of NAL units of H.265 with a picture that needs no other
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles of H.264
_HEAD = 512  # bytes of a NAL unit that are looked at


class _Bits:
    """Numbers of a NAL unit. Raises InputError `video.damaged` at its end."""

    def __init__(self, unit: bytes) -> None:
        plain = unit[1:_HEAD].replace(b"\0\0\3", b"\0\0")  # without the bytes that keep start codes out of the data
        self._value, self._left = int.from_bytes(plain, "big"), 8 * len(plain)

    def take(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise InputError("the H.264 data ends within a header", "video.damaged")
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.take():
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -code // 2


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether a picture of h264 or hevc data (Annex B) can be decoded without those before it."""
    if codec == "h264":
        return any(unit[0] & 31 == _KEY_SLICE for unit in _units(data))
    return any(unit[0] >> 1 & 63 in _KEY_H265 for unit in _units(data))


class FrameNumbers:
    """The frame numbers of a stream of H.264."""

    def __init__(self) -> None:
        self._bits = 0  # of a frame number
        self._colour_planes = False
        self._last = 0  # frame number of the last reference picture

    def follow(self, data: bytes) -> bool:
        """Whether no reference picture is missing before the picture in these data. Raises InputError."""
        for unit in _units(data):
            kind = unit[0] & 31
            if kind == _SEQUENCE:
                self._read_sequence(_Bits(unit))
            elif kind in (_SLICE, _KEY_SLICE):
                return self._follows(_Bits(unit), kind == _KEY_SLICE, bool(unit[0] & 0x60))
        raise InputError("the H.264 data holds no picture", "video.damaged")

    def _follows(self, bits: _Bits, is_key: bool, is_reference: bool) -> bool:
        if not self._bits:
            raise InputError("the H.264 data has no sequence parameters before its first picture", "video.damaged")
        for _ in range(3):
            bits.golomb()  # first macroblock, type of the slice, picture parameters
        if self._colour_planes:
            bits.take(2)
        number = bits.take(self._bits)
        follows = is_key or (number - self._last) % (1 << self._bits) <= 1
        if is_reference:
            self._last = number
        return follows

    def _read_sequence(self, bits: _Bits) -> None:
        profile = bits.take(24) >> 16
        bits.golomb()  # the identifier
        self._colour_planes = False
        if profile in _WITH_CHROMA:
            chroma = bits.golomb()
            self._colour_planes = chroma == 3 and bool(bits.take())
            bits.golomb(), bits.golomb(), bits.take()  # bit depths, and the bypass of the transform
            if bits.take():
                for index in range(12 if chroma == 3 else 8):
                    if bits.take():
                        _skip_scaling_list(bits, 16 if index < 6 else 64)
        self._bits = bits.golomb() + 4


def _units(data: bytes) -> Iterator[bytes]:
    """The first bytes of each NAL unit."""
    return (data[found.end() : found.end() + _HEAD] for found in _UNIT.finditer(data))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last

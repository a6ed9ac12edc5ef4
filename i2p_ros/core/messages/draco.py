# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Number of points and attributes of Draco data, from its header: a decoder allocates memory for what that states.

Source: Draco bitstream specification 2.2 (google.github.io/draco/spec), Header, Metadata and Attributes decoders.
"""

from __future__ import annotations

from i2p_ros.core.errors import InputError

_HEAD = b"DRACO\x02\x03\x00"  # version 2.3, point cloud
_HAS_METADATA = 0x8000  # in the flags
_SIZES = (0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 1)  # bytes of a value by Draco's data type


class _Reader:
    """Numbers from the start of bytes. Raises InputError `cloud.compressed` at their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise InputError("the Draco data is truncated or damaged", "cloud.compressed")
        return self._data[self._at - size : self._at]

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        """An integer in groups of 7 bits, the lowest first."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.number()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise InputError("the Draco data is damaged", "cloud.compressed")


def draco_layout(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Number of points, and of each attribute the number of values and of bytes for a point.

    Raises InputError `cloud.compressed` for data that is no point cloud of Draco 2.3, or ends in the header.
    """
    reader = _Reader(data)
    if reader.take(len(_HEAD)) != _HEAD:
        raise InputError("the data is no point cloud of Draco 2.3", "cloud.compressed")
    reader.number()  # the method: one after the other, or a tree
    if reader.number(2) & _HAS_METADATA:
        for _ in range(reader.varint()):
            reader.varint()  # the attribute
            _skip_metadata(reader)
        _skip_metadata(reader)
    points = reader.number(4)
    attributes = []
    for _ in range(reader.number()):
        for _ in range(reader.varint()):
            _, kind, values, _ = reader.take(4)
            reader.varint()  # its identifier
            attributes.append((values, values * (_SIZES[kind] if kind < len(_SIZES) else 0)))
    return points, attributes


def _skip_metadata(reader: _Reader) -> None:
    """Skip the entries of one element. The plugins write no element below another."""
    for _ in range(reader.varint()):
        reader.take(reader.number())  # the name
        reader.take(reader.varint())  # the value
    if reader.varint():
        raise InputError("Draco data with nested metadata cannot be read", "cloud.compressed")

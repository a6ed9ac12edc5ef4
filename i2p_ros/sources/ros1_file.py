# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of ROS 1 bags (wiki.ros.org/Bags/Format/2.0), with their index or, as .bag.active, without."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from i2p_ros.sources.chunked_file import (
    MESSAGE,
    BagConnection,
    BagRecord,
    Chunk,
    ChunkedFile,
    Read,
    RecordKind,
    reader_of,
)
from i2p_ros.sources.unpacking import BagDamageError, unpacked

ROS1_MAGIC = b"#ROSBAG V2.0\n"
_MOST_HEAD_BYTES = 1 << 20  # of the fields before the data of a record
_U32, _U64, _PAIR = (struct.Struct(layout) for layout in ("<I", "<Q", "<II"))
_KINDS = {b"\x02": MESSAGE, b"\x05": RecordKind.CHUNK, b"\x07": RecordKind.DEFINITION}
_INDEX_DATA = b"\x04"  # with seconds, nanoseconds and an offset of each message
_INDEX_ENTRY = 12  # bytes of it for each message
Fields = Mapping[bytes, bytes]


class Ros1File(ChunkedFile):
    """An open ROS 1 bag. Without a whole index, as in an unfinished recording, the file is scanned."""

    def _open(self) -> None:
        self.is_ros1 = True
        self._topics: dict[int, tuple[str, str, str]] = {}  # topic, type, definition
        fields, _ = _head(self._read, len(ROS1_MAGIC))
        if encryptor := _text(fields, b"encryptor"):
            raise BagDamageError(f"the bag is encrypted by {encryptor}; decrypt it first")
        (index,), (chunks,) = _numbers(fields, b"index_pos", _U64), _numbers(fields, b"chunk_count", _U32)
        self.is_cut_off = not (index and self._read_index(index, chunks))
        if self.is_cut_off:
            self.chunks = []
            self._scan(len(ROS1_MAGIC))

    def _records(self, read: Read, at: int, end: int) -> Iterator[BagRecord]:
        while at < end:
            fields, begin = _head(read, at)
            stop = begin + _length(read, begin - 4)
            if stop > end:
                raise BagDamageError(f"the record at byte {at} is not whole")
            kind = _KINDS.get(fields.get(b"op", b""), RecordKind.OTHER)
            if kind is MESSAGE:
                (connection,), time = _numbers(fields, b"conn", _U32), _time(fields, b"time")
                yield BagRecord(kind, at, begin, stop, connection, time)
            else:
                yield BagRecord(kind, at, at, stop)
            at = stop

    def _define(self, content: bytes) -> None:
        fields, begin = _head(reader_of(content), 0)
        more = _fields(content[begin:])
        topic = re.sub("/+", "/", _text(fields, b"topic"))
        self._topics[_numbers(fields, b"conn", _U32)[0]] = (
            topic,
            _text(more, b"type"),
            _text(more, b"message_definition"),
        )

    def _content(self, record: memoryview) -> memoryview:
        fields, begin = _head(reader_of(record), 0)
        return unpacked(record[begin:], _text(fields, b"compression"), _numbers(fields, b"size", _U32)[0])

    def _indexed_times(self, chunk: Chunk) -> dict[int, list[int]]:
        found, at = dict[int, list[int]](), chunk.end
        while at < self._size:
            fields, begin = _head(self._read, at)
            if fields.get(b"op") != _INDEX_DATA:
                break
            at = begin + _length(self._read, begin - 4)
            (number,) = _numbers(fields, b"conn", _U32)
            if number not in self._topics or at > self._size or (at - begin) % _INDEX_ENTRY:
                raise BagDamageError(f"the index of the chunk at byte {chunk.begin} is damaged")
            parts = np.frombuffer(self._read(begin, at - begin), "<u4")
            times = parts[::3].astype(np.int64) * 10**9 + parts[1::3]
            found.setdefault(number, []).extend(times.tolist())
        if found.keys() != chunk.connections:
            raise BagDamageError(f"the chunk at byte {chunk.begin} has no whole index")
        return found

    def _connections(self, counts: Counter[int]) -> dict[int, BagConnection]:
        return {
            number: BagConnection(topic, kind, counts[number], ("msg", text))
            for number, (topic, kind, text) in self._topics.items()
        }

    def _read_index(self, at: int, chunks: int) -> bool:
        """Read connections and places of chunks from the end of the file. The result is whether all are there."""
        counts = Counter[int]()
        try:
            for record in self._records(self._read, at, self._size):
                content = self._read(record.start, record.end - record.start)
                if record.kind is RecordKind.DEFINITION:
                    self._define(content)
                else:
                    counts += self._add_info(content)
        except BagDamageError:
            return False
        self.connections = self._connections(counts)
        return len(self.chunks) == chunks and counts.keys() <= self._topics.keys()

    def _add_info(self, content: bytes) -> Counter[int]:
        """Take the record on a chunk. The result are its numbers of messages by connection."""
        fields, begin = _head(reader_of(content), 0)
        (at,) = _numbers(fields, b"chunk_pos", _U64)
        chunk, data = _head(self._read, at)
        end = data + _length(self._read, data - 4)
        if chunk.get(b"op") != b"\x05" or end > self._size:
            raise BagDamageError(f"there is no whole chunk at byte {at}")
        pairs = len(content[begin:]) // _PAIR.size
        counts = Counter(dict(_PAIR.unpack_from(content, begin + k * _PAIR.size) for k in range(pairs)))
        times = _time(fields, b"start_time"), _time(fields, b"end_time")
        self.chunks.append(Chunk(*times, frozenset(counts), at, end))
        return counts


def _head(read: Read, at: int) -> tuple[Fields, int]:
    """Fields of a record, and the offset of its data, which comes after four bytes with its length."""
    length = _length(read, at)
    if length > _MOST_HEAD_BYTES:
        raise BagDamageError(f"the head of the record at byte {at} has {length} bytes: the limit is {_MOST_HEAD_BYTES}")
    head = read(at + 4, length)
    if len(head) < length:
        raise BagDamageError(f"the record at byte {at} is not whole")
    return _fields(head), at + 4 + length + 4


def _fields(head: bytes) -> Fields:
    """Values by name; each field is `name=value` after its length."""
    fields, at = {}, 0
    while at < len(head):
        size = int.from_bytes(head[at : at + 4], "little")
        name, _, value = head[at + 4 : at + 4 + size].partition(b"=")
        fields[name] = value
        at += 4 + size
    return fields


def _length(read: Read, at: int) -> int:
    data = read(at, 4)
    if len(data) < 4:
        raise BagDamageError(f"the record at byte {at} is not whole")
    return int.from_bytes(data, "little")


def _numbers(fields: Fields, name: bytes, layout: struct.Struct) -> tuple[int, ...]:
    value = fields.get(name, b"")
    if len(value) != layout.size:
        raise BagDamageError(f"a record has no valid {name.decode()}")
    return layout.unpack(value)


def _time(fields: Fields, name: bytes) -> int:
    """A time in ns."""
    seconds, nanoseconds = _numbers(fields, name, _PAIR)
    return seconds * 10**9 + nanoseconds


def _text(fields: Fields, name: bytes) -> str:
    return fields.get(name, b"").decode(errors="replace")

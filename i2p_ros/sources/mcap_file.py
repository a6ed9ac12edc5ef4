# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of MCAP files (mcap.dev/spec), whatever their schemas, with or without indexes and end."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from i2p_ros.sources.chunked_file import (
    MESSAGE,
    BagConnection,
    BagRecord,
    Chunk,
    ChunkedFile,
    Read,
    RecordKind,
    unpack,
)
from i2p_ros.sources.unpacking import BagDamageError, unpacked

MCAP_MAGIC = b"\x89MCAP0\r\n"
DEFINITIONS = {"ros2msg": "msg", "ros1msg": "msg", "ros2idl": "idl", "omgidl": "idl"}
_HEAD = struct.Struct("<BQ")  # kind, and length of the content in bytes
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time logged, time published
_FOOTER = struct.Struct("<BQQQI")  # with its head: start of the summary, start of its offsets, checksum
_CHUNK = struct.Struct("<QQQI")  # time of first and last message, unpacked size, checksum
_CHUNK_INDEX = struct.Struct("<QQQQI")  # time of first and last message, start and length of chunk, bytes of offsets
_OFFSET = struct.Struct("<HQ")  # channel, start of its message index
_STATISTICS = struct.Struct("<QHIIIIQQI")  # messages, ..., chunks, first and last time, bytes of counts
_COUNT = struct.Struct("<HQ")  # channel, messages
_INDEX = struct.Struct("<HI")  # channel, bytes of entries, each a time and an offset
_U16, _U32, _U64 = (struct.Struct(f"<{kind}") for kind in "HIQ")
_SCHEMA, _CHANNEL, _MESSAGE_INDEX_KIND, _CHUNK_INDEX_KIND, _STATISTICS_KIND = 0x03, 0x04, 0x07, 0x08, 0x0B
_KINDS = {
    0x02: RecordKind.END, 0x0F: RecordKind.END, _SCHEMA: RecordKind.DEFINITION, _CHANNEL: RecordKind.DEFINITION,
    0x05: MESSAGE, 0x06: RecordKind.CHUNK,
}  # fmt: skip
_INDEX_HEAD, _INDEX_ENTRY = 15, 16  # bytes of a message index, and of each message in it


class McapFile(ChunkedFile):
    """An open MCAP file. It is scanned when it is opened, unless its summary tells of all its messages."""

    def _open(self) -> None:
        self._schemas: dict[int, tuple[str, str, str]] = {}  # name, encoding, text
        self._channels: dict[int, tuple[int, str, str]] = {}  # schema, topic, encoding of messages
        self._indexes: dict[int, tuple[int, int]] = {}  # by the start of a chunk: place and size of its message indexes
        tail = self._read(max(self._size - _FOOTER.size - len(MCAP_MAGIC), 0), _FOOTER.size + len(MCAP_MAGIC))
        self.is_cut_off = not (tail.endswith(MCAP_MAGIC) and tail.startswith(_HEAD.pack(0x02, 20)))
        if self.is_cut_off or not self._read_summary(_FOOTER.unpack_from(tail)[2]):
            self.chunks = []
            self._scan(len(MCAP_MAGIC))
        encodings = {encoding for _, _, encoding in self._channels.values()}
        self.is_ros1 = "ros1" in encodings and "cdr" not in encodings

    def _records(self, read: Read, at: int, end: int) -> Iterator[BagRecord]:
        while at < end:
            head = read(at, _HEAD.size + _MESSAGE.size)
            kind, length = unpack(_HEAD, head)
            begin = at + _HEAD.size
            if begin + length > end:
                raise BagDamageError(f"the record at byte {at} is not whole")
            if kind == 0x05:
                channel, _, time, _ = unpack(_MESSAGE, head, _HEAD.size)
                if length < _MESSAGE.size:
                    raise BagDamageError(f"the message at byte {at} is shorter than its head")
                yield BagRecord(MESSAGE, at, begin + _MESSAGE.size, begin + length, channel, time)
            else:
                yield BagRecord(_KINDS.get(kind, RecordKind.OTHER), at, begin, begin + length)
            at = begin + length

    def _define(self, content: bytes) -> None:
        (number,) = unpack(_U16, content, _HEAD.size)
        if content[0] == _SCHEMA:
            name, at = _text(content, _HEAD.size + 2)
            encoding, at = _text(content, at)
            text, _ = _text(content, at)
            self._schemas[number] = name, encoding, text
        else:
            (schema,) = unpack(_U16, content, _HEAD.size + 2)
            topic, at = _text(content, _HEAD.size + 4)
            self._channels[number] = schema, topic, _text(content, at)[0]

    def _content(self, record: memoryview) -> memoryview:
        _, _, size, checksum = unpack(_CHUNK, record)
        compression, at = _text(record, _CHUNK.size)
        (length,) = unpack(_U64, record, at)
        content = unpacked(record[at + _U64.size : at + _U64.size + length], compression, size)
        if checksum and zlib.crc32(content) != checksum:
            raise BagDamageError("the checksum of a chunk is wrong")
        return content

    def _connections(self, counts: Counter[int]) -> dict[int, BagConnection]:
        made = {}
        for number, (schema, topic, encoding) in self._channels.items():
            name, language, text = self._schemas.get(schema, ("no schema", "", ""))
            msgtype = name if encoding in ("cdr", "ros1") else f"{name} as {encoding}"
            made[number] = BagConnection(topic, msgtype, counts[number], (DEFINITIONS.get(language, ""), text))
        return made

    def _read_summary(self, start: int) -> bool:
        """Read the summary. The result is whether it tells of all chunks, channels and messages of the file."""
        if not len(MCAP_MAGIC) < start < self._size:
            return False
        statistics, indexed = b"", 0
        try:
            for record in self._records(self._read, start, self._size):
                if record.kind is RecordKind.END:
                    break
                content = self._read(record.start, record.end - record.start)
                if record.kind is RecordKind.DEFINITION:
                    self._define(content)
                elif content[0] == _CHUNK_INDEX_KIND:
                    indexed += self._add_index(content[_HEAD.size :])
                elif content[0] == _STATISTICS_KIND:
                    statistics = content[_HEAD.size :]
            return self._is_complete(statistics, indexed)
        except BagDamageError:
            return False

    def _add_index(self, content: bytes) -> int:
        """Take the index of a chunk. The result is the number of messages that have an entry in an index."""
        first, last, start, length, size = unpack(_CHUNK_INDEX, content)
        at = _CHUNK_INDEX.size
        offsets = [unpack(_OFFSET, content, at + k) for k in range(0, size, _OFFSET.size)]
        channels = frozenset(channel for channel, _ in offsets)
        (entries,) = unpack(_U64, content, at + size)
        self.chunks.append(Chunk(first, last, channels, start + _HEAD.size, start + length))
        if offsets:
            self._indexes[start + _HEAD.size] = min(place for _, place in offsets), entries
        return (entries - _INDEX_HEAD * len(channels)) // _INDEX_ENTRY

    def _indexed_times(self, chunk: Chunk) -> dict[int, list[int]]:
        place, size = self._indexes.get(chunk.begin, (0, 0))
        content = self._read(place, size)
        found, at = dict[int, list[int]](), 0
        while at < size:
            kind, length = unpack(_HEAD, content, at)
            number, entries = unpack(_INDEX, content, at + _HEAD.size)
            begin, at = at + _HEAD.size + _INDEX.size, at + _HEAD.size + length
            if kind != _MESSAGE_INDEX_KIND or begin + entries > at or at > len(content) or number not in self._channels:
                raise BagDamageError(f"the index of the chunk at byte {chunk.begin} is damaged")
            times = np.frombuffer(content, "<u8", entries // _U64.size, begin)[::2]
            found.setdefault(number, []).extend(times.tolist())
        if not found:
            raise BagDamageError(f"the chunk at byte {chunk.begin} has no index")
        return found

    def _is_complete(self, statistics: bytes, indexed: int) -> bool:
        messages, _, _, _, _, chunks, _, _, size = unpack(_STATISTICS, statistics)
        counts = Counter[int]()
        for at in range(_STATISTICS.size, _STATISTICS.size + size, _COUNT.size):
            channel, count = unpack(_COUNT, statistics, at)
            counts[channel] = count
        self.connections = self._connections(counts)
        defined = all(channel in self._channels for channel in counts)
        schemas = all(schema in self._schemas or not schema for schema, _, _ in self._channels.values())
        return defined and schemas and chunks == len(self.chunks) and messages == indexed == counts.total()


def _text(content: bytes | memoryview, at: int) -> tuple[str, int]:
    """A text with its length before it, and the offset after it."""
    (length,) = unpack(_U32, content, at)
    at += _U32.size
    if at + length > len(content):
        raise BagDamageError("a text is longer than its record")
    return bytes(content[at : at + length]).decode(errors="replace"), at + length

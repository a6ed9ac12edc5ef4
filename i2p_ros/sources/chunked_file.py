# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What MCAP and ROS 1 bags have in common: records, of which some are chunks that hold records in turn.

The readers of this package read what the libraries of these formats refuse, and are bounded:

- A size that a file states is compared with the file, and with a limit, before memory is allocated.
- A file that was cut off, or a .bag.active without an index, gives its whole records. A damaged chunk costs its own
  messages alone, and a schema that cannot be read costs its own topics.
- An MCAP without message indexes is read from any time on. The package `mcap` reads such a file only as one stream
  from its beginning.
"""

from __future__ import annotations

import heapq
import os
import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

from i2p_ros.sources.unpacking import BagDamageError

Read = Callable[[int, int], bytes]  # offset, number of bytes
RawMessage = tuple[int, int, bytes]  # time received (ns), number of the connection, serialized message
Timed = TypeVar("Timed", bound=tuple[Any, ...])
FOREVER = 2**64
_MOST_BYTES = 2 << 30  # of a record that is read
_RUN_BYTES = 1 << 20  # of messages outside of chunks that are read together


@dataclass(frozen=True, slots=True)
class BagConnection:
    """A topic of a bag. `definition` is the format (msg, idl or empty) and the text of its message definition."""

    topic: str
    msgtype: str
    msgcount: int
    definition: tuple[str, str] = ("", "")


class RecordKind(Enum):
    """What a record is to a reader. An end is followed by no more messages."""

    MESSAGE = auto()
    CHUNK = auto()
    DEFINITION = auto()
    END = auto()
    OTHER = auto()


MESSAGE = RecordKind.MESSAGE


@dataclass(frozen=True, slots=True)
class BagRecord:
    """A record: where it starts, where its content begins and where it ends. Messages have a connection and a time."""

    kind: RecordKind
    start: int
    begin: int
    end: int
    connection: int = 0
    time: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages of a file that are read together: times of the first and last (ns), connections, place of the record.

    `connections` is none if they are not known. `packed` is false for messages that lie in the file as they are.
    """

    first: int
    last: int
    connections: frozenset[int] | None
    begin: int
    end: int
    packed: bool = True


def merged(streams: Iterable[tuple[int, Iterator[Timed]]]) -> Iterator[Timed]:
    """Messages of several streams in order of time, which is their first member.

    Each stream is given with a time before its first message, at which it is asked for that message. So few chunks are
    in memory at once.
    """
    heap: list[tuple[int, int, Timed | None, Iterator[Timed]]]
    heap = [(time, number, None, stream) for number, (time, stream) in enumerate(streams)]
    heapq.heapify(heap)
    while heap:
        _, number, message, stream = heap[0]
        if message is not None:
            yield message
        if (following := next(stream, None)) is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (following[0], number, following, stream))


class ChunkedFile(ABC):
    """An open file of records. A subclass fills `chunks` from the index of its format, or calls `_scan`.

    `connections` are the topics by number. `is_ros1` says how messages are serialized. `is_cut_off` says that the file
    has no proper end. `damaged` are the starts of chunks that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._size = os.fstat(self._file.fileno()).st_size
        self.connections: dict[int, BagConnection] = {}
        self.chunks: list[Chunk] = []
        self.is_ros1 = self.is_cut_off = False
        self.damaged: set[int] = set()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        if self.is_cut_off and not self.chunks:
            raise BagDamageError(f"{path.name} is cut off before the end of its first chunk of messages")

    @abstractmethod
    def _open(self) -> None:
        """Fill the members."""

    @abstractmethod
    def _records(self, read: Read, at: int, end: int) -> Iterator[BagRecord]:
        """The records from an offset on, of the file or of a chunk; raises BagDamageError at one that is not whole."""

    @abstractmethod
    def _define(self, content: bytes) -> None:
        """Take the bytes of a record of the kind DEFINITION."""

    @abstractmethod
    def _content(self, record: memoryview) -> memoryview:
        """The unpacked records of a chunk, of which the content is given; raises BagDamageError."""

    @abstractmethod
    def _connections(self, counts: Counter[int]) -> dict[int, BagConnection]:
        """All connections that are defined, with their numbers of messages."""

    @property
    def first(self) -> int:
        """The time before which no message was received (ns)."""
        return min((chunk.first for chunk in self.chunks), default=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def messages(self, wanted: Collection[int], start: int = 0, stop: int = FOREVER) -> Iterator[RawMessage]:
        """Messages of the connections with these numbers, received from `start` to before `stop` (ns), in this order.

        A chunk that cannot be read is left out and noted in `damaged`.
        """
        due = (
            chunk for chunk in self.chunks
            if chunk.first < stop and chunk.last >= start
            and (chunk.connections is None or not chunk.connections.isdisjoint(wanted))
        )  # fmt: skip
        return merged((max(chunk.first, start), self._messages(chunk, wanted, start, stop)) for chunk in due)

    def times(self) -> dict[int, list[int]]:
        """Times received (ns) of all messages by connection, in no order, by the indexes of the chunks.

        A chunk without a whole index is read instead. One that cannot be read is left out and noted in `damaged`.
        """
        found: dict[int, list[int]] = {number: [] for number in self.connections}
        for chunk in self.chunks:
            try:
                for number, times in self._indexed_times(chunk).items():
                    found.setdefault(number, []).extend(times)
            except BagDamageError:
                for time, number, _ in self._messages(chunk, found, 0, FOREVER):
                    found[number].append(time)
        return found

    def _indexed_times(self, chunk: Chunk) -> dict[int, list[int]]:
        """Times received of the messages of a chunk by its index. Raises BagDamageError if it has no whole one."""
        raise BagDamageError(f"the chunk at byte {chunk.begin} has no index")

    def _messages(self, chunk: Chunk, wanted: Collection[int], start: int, stop: int) -> Iterator[RawMessage]:
        records, content = list[BagRecord](), memoryview(b"")
        try:
            content = memoryview(self._read(chunk.begin, chunk.end - chunk.begin))
            content = self._content(content) if chunk.packed else content
            for record in self._records(reader_of(content), 0, len(content)):
                if record.kind is MESSAGE and record.connection in wanted and start <= record.time < stop:
                    records.append(record)
        except BagDamageError:
            self.damaged.add(chunk.begin)
        for record in sorted(records, key=_time):
            yield record.time, record.connection, bytes(content[record.begin : record.end])

    def _scan(self, at: int) -> None:
        """Find chunks, messages and definitions from an offset on, as far as records are whole."""
        counts, run = Counter[int](), list[BagRecord]()
        try:
            for record in self._records(self._read, at, self._size):
                if run and (record.end - run[0].start > _RUN_BYTES or record.kind is RecordKind.CHUNK):
                    self._add(run, run[0].start, run[-1].end, packed=False)
                    run = []
                if record.kind is RecordKind.END:
                    break
                if record.kind is MESSAGE:
                    counts[record.connection] += 1
                    run.append(record)
                elif record.kind is RecordKind.DEFINITION:
                    self._define(self._read(record.start, record.end - record.start))
                elif record.kind is RecordKind.CHUNK:
                    counts += self._scan_chunk(record)
        except BagDamageError:
            self.is_cut_off = True
        if run:
            self._add(run, run[0].start, run[-1].end, packed=False)
        self.connections = self._connections(counts)

    def _scan_chunk(self, chunk: BagRecord) -> Counter[int]:
        """Numbers of messages of a chunk by connection."""
        messages = []
        try:
            content = self._content(memoryview(self._read(chunk.begin, chunk.end - chunk.begin)))
            for record in self._records(reader_of(content), 0, len(content)):
                if record.kind is MESSAGE:
                    messages.append(record)
                elif record.kind is RecordKind.DEFINITION:
                    self._define(bytes(content[record.start : record.end]))
        except BagDamageError:
            self.damaged.add(chunk.begin)
        self._add(messages, chunk.begin, chunk.end)
        return Counter(message.connection for message in messages)

    def _add(self, messages: list[BagRecord], begin: int, end: int, packed: bool = True) -> None:
        if messages:
            times, numbers = [m.time for m in messages], frozenset(m.connection for m in messages)
            self.chunks.append(Chunk(min(times), max(times), numbers, begin, end, packed))

    def _read(self, at: int, length: int) -> bytes:
        """Bytes of the file, as many as there are; raises BagDamageError for more than 2 GiB."""
        length = min(length, self._size - at)
        if not 0 <= length <= _MOST_BYTES:
            raise BagDamageError(f"a record at byte {at} has {length} bytes; the limit is {_MOST_BYTES}")
        self._file.seek(at)
        return self._file.read(length)


def unpack(layout: struct.Struct, data: bytes | memoryview, at: int = 0) -> tuple[int, ...]:
    """Numbers of a record; raises BagDamageError if it is too short."""
    try:
        return layout.unpack_from(data, at)
    except struct.error as error:
        raise BagDamageError(f"a record is too short: {len(data)} bytes") from error


def reader_of(content: bytes | memoryview) -> Read:
    """A function that reads from a chunk or record."""
    return lambda at, length: bytes(content[at : at + length])


def _time(record: BagRecord) -> int:
    return record.time

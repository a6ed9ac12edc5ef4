# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening of bags, and headers of raw messages."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2p_ros.core.errors import I2PError, InputError, one_line
from i2p_ros.core.messages import frame_name, stamp_ns
from i2p_ros.sources.bag_files import BagFiles, bag_files, split_of
from i2p_ros.sources.chunked_file import FOREVER, BagConnection, merged
from i2p_ros.sources.mcap_file import MCAP_MAGIC, McapFile
from i2p_ros.sources.message_types import MessageTypes, ros2_name
from i2p_ros.sources.ros1_file import ROS1_MAGIC, Ros1File
from i2p_ros.sources.sqlite_file import SQLITE_MAGIC, SqliteFile, has_log, with_log
from i2p_ros.sources.unpacking import ZSTD_MAGIC, BagDamageError, unpack_file, unpacked

LOST_TYPE = "rosbag2_interfaces/msg/MessagesLostEvent"
_REPAIR = {
    ".mcap": "`mcap recover FILE -o repaired.mcap` saves what is readable",
    ".db3": "`sqlite3 FILE .recover | sqlite3 repaired.db3` saves what is readable",
    ".bag": "`rosbag reindex FILE` saves what is readable",
}
BagFile = McapFile | Ros1File | SqliteFile
_KINDS: dict[bytes, Callable[[Path], BagFile]] = {
    MCAP_MAGIC: McapFile, ROS1_MAGIC: Ros1File, SQLITE_MAGIC: SqliteFile
}  # fmt: skip


class BagReader:
    """The open files of a bag as one stream of messages.

    `connections` are the topics, one for each type that a topic has. `is2` says whether messages are serialized as in
    ROS 2. `note` says why /tf_static is from another file or missing, and is empty otherwise.
    """

    def __init__(self, path: Path, files: list[BagFile], resources: ExitStack, lost: Counter[str], note: str) -> None:
        self._path, self._files, self._resources, self._lost, self.note = path, files, resources, lost, note
        self.is2 = not all(file.is_ros1 for file in files)
        same = defaultdict[tuple[str, str], list[BagConnection]](list)
        for connection in (c for file in files for c in file.connections.values()):
            same[_key(connection)].append(connection)
        self.connections = [_joined(key, parts) for key, parts in same.items()]
        self._types = MessageTypes(self.connections, is_ros1=not self.is2)
        self._damaged: set[tuple[str, int]] = set()  # topic and time received of messages

    def messages(
        self, connections: Collection[BagConnection] | None = None, start: int = 0, stop: int = FOREVER
    ) -> Iterator[tuple[BagConnection, int, bytes]]:
        """Messages of these connections, received from `start` to before `stop` (ns), in this order.

        None stands for all connections. An empty list gives no messages; in rosbags 0.11.9 it gives all. Each message
        comes with its connection and the time received. Messages that cannot be unpacked are left out and counted in
        `lost`.
        """
        chosen = self.connections if connections is None else connections
        wanted = {_key(connection): connection for connection in chosen}
        streams = ((max(file.first, start), self._of_file(file, wanted, start, stop)) for file in self._files)
        for time, connection, raw in merged(streams):
            yield connection, time, raw

    def _of_file(
        self, file: BagFile, wanted: Mapping[tuple[str, str], BagConnection], start: int, stop: int
    ) -> Iterator[tuple[int, BagConnection, bytes]]:
        numbers = {k: wanted[_key(c)] for k, c in file.connections.items() if _key(c) in wanted}
        for time, number, raw in file.messages(numbers, start, stop) if numbers else ():
            try:  # serialized messages begin with 0 in ROS 2, so that this is compression by message
                packed = self.is2 and raw.startswith(ZSTD_MAGIC)
                yield time, numbers[number], bytes(unpacked(memoryview(raw), "zstd")) if packed else raw
            except BagDamageError:
                self._damaged.add((numbers[number].topic, time))

    def times(self) -> dict[tuple[str, str], NDArray[np.int64]]:
        """Times received (n,) of all messages, ns, in order, by topic and message type; by the indexes of the files."""
        found = defaultdict[tuple[str, str], list[int]](list)
        for file in self._files:
            for number, times in file.times().items():
                if number in file.connections:
                    found[_key(file.connections[number])] += times
        return {key: np.sort(np.array(times, np.uint64)).astype(np.int64) for key, times in found.items()}

    def deserialize(self, raw: bytes, msgtype: str) -> Any:
        """The message of these bytes; see MessageTypes.deserialize."""
        return self._types.deserialize(raw, msgtype)

    def lost(self, topics: Collection[str]) -> Counter[str]:
        """Numbers by reason of files, chunks and messages that are lost so far.

        `bag.not_recorded` counts messages of these topics of which the recorder says that it lost them: that of ROS 2
        Lyrical does so on events/rosbag2_messages_lost. Raises InputError `bag.unreadable` if these cannot be read.
        """
        lost = Counter(self._lost)
        lost["bag.damaged"] = len(self._damaged) + sum(len(file.damaged) for file in self._files)
        events = [connection for connection in self.connections if connection.msgtype == LOST_TYPE]
        with bag_errors(self._path, "bag.unreadable"):
            for connection, _, raw in self.messages(events):
                try:
                    with bag_errors(self._path, "bag.message"):
                        lost["bag.not_recorded"] += _not_recorded(self.deserialize(raw, connection.msgtype), topics)
                except InputError as error:
                    lost[error.reason] += 1
        return +lost

    def close(self) -> None:
        """Close the files, and remove what was unpacked."""
        self._resources.close()


def open_reader(path: Path) -> tuple[BagReader, int]:
    """An open reader of a bag, and the number of its files that are cut off.

    A bag is a ROS 1 bag, a ROS 2 bag folder with or without metadata.yaml, or a single .mcap or .db3 file. Each may be
    packed as .zstd, or unfinished: it is read up to its last whole chunk. What has to be unpacked is in the folder for
    temporary files until the reader is closed. Raises InputError `bag.*`.
    """
    with ExitStack() as resources, bag_errors(path, "bag.unreadable"):
        found = bag_files(path)
        files, errors, lost = [], [], Counter({"bag.missing_file": len(found.missing)})
        for file in found.files:
            try:
                files.append(_opened(file, resources))
            except BagDamageError as error:
                errors.append(error)
        if not files:
            raise errors[0]
        lost["bag.unreadable_file"] = len(errors)
        cut_off = sum(file.is_cut_off for file in files)
        note = _with_static_transforms(files, found, resources)
        return BagReader(path, files, resources.pop_all(), lost, note), cut_off


def _opened(file: Path, resources: ExitStack, is_unpacked: bool = False) -> BagFile:
    """The open file, by the format of its content."""
    with file.open("rb") as stream:
        magic = stream.read(16)
    if magic.startswith(ZSTD_MAGIC) and not is_unpacked:
        folder = Path(resources.enter_context(TemporaryDirectory(prefix="i2p_bag_")))
        unpack_file(file, folder / file.stem)
        return _opened(folder / file.stem, resources, is_unpacked=True)
    if magic.startswith(SQLITE_MAGIC) and has_log(file):
        file = with_log(file, Path(resources.enter_context(TemporaryDirectory(prefix="i2p_bag_"))))
    for begin, kind in _KINDS.items():
        if magic.startswith(begin):
            opened = kind(file)
            resources.callback(opened.close)
            return opened
    if magic.startswith(b"#ROSBAG V1"):
        raise InputError(f"{file} is a bag of ROS before 1.2; `rosbag fix` converts it", "bag.unreadable")
    raise BagDamageError(f"{file.name} does not begin like an MCAP file, a .db3 file or a ROS 1 bag")


def _with_static_transforms(files: list[BagFile], found: BagFiles, resources: ExitStack) -> str:
    """Add /tf_static of the first split to a later one. The result says so, or says that it is missing.

    rosbag2 records /tf_static once, in the first split, unless it is told to repeat it in each.
    """
    if any(_is_static(c) for file in files for c in file.connections.values()):
        return ""
    with suppress(BagDamageError, IndexError):  # IndexError: there is no other split
        first = _opened(found.others[0], resources)
        first.connections = {k: c for k, c in first.connections.items() if _is_static(c)}
        if first.connections:
            files.append(first)
            return f"/tf_static is that of {found.others[0].name}"
    number, _ = split_of((*found.others, *found.files)[0])
    missing = f"/tf_static was in split 0; split {number} is the first that --max-bag-files or a copy has left"
    return missing if number else ""


def _not_recorded(event: Any, topics: Collection[str]) -> int:
    """Number of messages of the topics that were lost, by a rosbag2_interfaces/msg/MessagesLostEvent."""
    statistics = [topic for topic in event.messages_lost_statistics if topic.topic_name in topics]
    return sum(topic.messages_lost_in_transport + topic.messages_lost_in_recorder for topic in statistics)


def _key(connection: BagConnection) -> tuple[str, str]:
    return connection.topic, ros2_name(connection.msgtype)


def _joined(key: tuple[str, str], parts: list[BagConnection]) -> BagConnection:
    """One connection for those of all files and publishers."""
    definition = next((part.definition for part in parts if part.definition[1]), ("", ""))
    return BagConnection(*key, sum(part.msgcount for part in parts), definition)


def _is_static(connection: BagConnection) -> bool:
    return connection.topic.rpartition("/")[2] == "tf_static" and connection.msgcount > 0


@contextmanager
def bag_errors(path: Path, reason: str) -> Iterator[None]:
    """Context that turns every exception into an InputError: on damaged messages rosbags raises a dozen types.

    Advice on repair comes with damage of a file only.
    """
    try:
        yield
    except I2PError:
        raise
    except Exception as error:
        advice = _advice(path) if isinstance(error, BagDamageError) else ""
        what = one_line(error) or type(error).__name__
        raise InputError(f"cannot read bag {path}: {what}{advice}", reason) from error


def _advice(path: Path) -> str:
    names = " ".join(file.name for file in (path.iterdir() if path.is_dir() else [path]))
    return next((f"; {_REPAIR[suffix]}" for suffix in _REPAIR if suffix in names), "")


def read_header(raw: bytes, is_ros2: bool, check: bool = True) -> tuple[int, str]:
    """Stamp (ns) and frame of a serialized message that starts with a std_msgs/Header.

    Both wire formats have four bytes before the stamp: the encapsulation in CDR, the sequence number in ROS 1. Raises
    InputError `message.type` for a message that is too short, and with `check` those of `stamp_ns`.
    """
    try:
        order = ">" if is_ros2 and not raw[1] & 1 else "<"
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", raw, 4)
    except (struct.error, IndexError) as error:
        raise InputError(f"a message of {len(raw)} bytes is too short for a header", "message.type") from error
    frame = frame_name(raw[16 : 16 + length].rstrip(b"\0").decode(errors="replace"))
    if check:
        return stamp_ns(SimpleNamespace(sec=seconds, nanosec=nanoseconds)), frame
    return seconds * 10**9 + nanoseconds, frame

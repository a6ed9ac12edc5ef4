# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of the .db3 files of rosbag2: SQLite databases with the tables `topics` and `messages`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from i2p_ros.sources.chunked_file import FOREVER, BagConnection, RawMessage
from i2p_ros.sources.mcap_file import DEFINITIONS
from i2p_ros.sources.unpacking import BagDamageError, copy_file

SQLITE_MAGIC = b"SQLite format 3\0"
_LARGEST_TIME = 2**63 - 1  # of an integer in SQLite


class SqliteFile:
    """An open .db3 file. Its members are those of a ChunkedFile."""

    def __init__(self, path: Path) -> None:
        self.is_ros1 = self.is_cut_off = False
        self.damaged: set[int] = set()
        # immutable: nothing is locked or written beside the bag
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with _damage():
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            with _damage():
                self._open(path)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path) -> None:
        self._database.text_factory = lambda data: data.decode(errors="replace")
        self._database.execute("PRAGMA trusted_schema = OFF")
        for table in ("topics", "messages"):
            self._check_table(table, path)
        definitions = self._definitions()
        counts = dict(self._database.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
        self.connections = {
            number: BagConnection(
                topic, kind if form == "cdr" else f"{kind} as {form}", counts.get(number, 0),
                definitions.get(kind, ("", "")),
            )
            for number, topic, kind, form in self._database.execute(
                "SELECT id, CAST(name AS TEXT), CAST(type AS TEXT), CAST(serialization_format AS TEXT) FROM topics"
            )
        }  # fmt: skip
        first = self._database.execute("SELECT MIN(timestamp) FROM messages").fetchone()[0]
        self.first: int = first if isinstance(first, int) else 0

    def _check_table(self, table: str, path: Path) -> None:
        """Refuse what recorders do not write: a view or a computed column can run on without end."""
        kinds = [kind for (kind,) in self._database.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,))]
        columns = list(self._database.execute(f"PRAGMA table_xinfo({table})"))
        if kinds != ["table"] or any(hidden for *_, hidden in columns):
            raise BagDamageError(f"{path.name} has no plain table `{table}` as rosbag2 writes it")

    def _definitions(self) -> dict[str, tuple[str, str]]:
        """Format and text of message definitions by type; bags of ROS 2 Humble and older have none."""
        if not self._database.execute("PRAGMA table_xinfo(message_definitions)").fetchall():
            return {}
        rows = self._database.execute(
            "SELECT CAST(topic_type AS TEXT), encoding, CAST(encoded_message_definition AS TEXT) "
            "FROM message_definitions"
        )
        return {kind: (DEFINITIONS.get(encoding, ""), text) for kind, encoding, text in rows}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def times(self) -> dict[int, list[int]]:
        """Times received (ns) of all messages by connection, without reading the messages."""
        found: dict[int, list[int]] = {number: [] for number in self.connections}
        with _damage():
            for number, time in self._database.execute("SELECT topic_id, timestamp FROM messages"):
                if number in found and isinstance(time, int) and time >= 0:
                    found[number].append(time)
        return found

    def messages(self, wanted: Collection[int], start: int = 0, stop: int = FOREVER) -> Iterator[RawMessage]:
        """Messages of the connections with these numbers, received from `start` to before `stop` (ns), in this order.

        Raises BagDamageError where the database is damaged.
        """
        places = ",".join("?" * len(wanted))
        query = (
            f"SELECT timestamp, topic_id, data FROM messages WHERE topic_id IN ({places}) "
            "AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"
        )
        limits = min(start, _LARGEST_TIME), min(stop, _LARGEST_TIME)
        with _damage():
            for time, number, data in self._database.execute(query, (*wanted, *limits)):
                if not isinstance(data, bytes):
                    raise BagDamageError("a message is not stored as bytes")
                yield time, number, data


def has_log(path: Path) -> bool:
    """Whether messages are in a log beside the file: rosbag2's preset `resilient` leaves one after a crash."""
    log = path.with_name(f"{path.name}-wal")
    return log.is_file() and log.stat().st_size > 0


def with_log(path: Path, folder: Path) -> Path:
    """A copy of the file in the folder, with the messages of its log. The recording itself stays as it is."""
    for name in (path.name, f"{path.name}-wal"):
        copy_file(path.with_name(name), folder / name)
    with _damage(), closing(sqlite3.connect(folder / path.name)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    return folder / path.name


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:
        raise BagDamageError(str(error)) from error

#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# rosbags reads a .db3 recording with SQLite's write-ahead log beside it. rosbag2's preset `resilient` records so, and
# the log stays there when the recorder does not close the file.
#
# Expected: all messages, as SQLite itself gives them.
# Seen: rosbags 0.11.9 opens the file with `immutable=1`. SQLite then ignores the log, and every message in it is
# missing without an error: here 3 of 8.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import sqlite3
import tempfile
from pathlib import Path

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
kind = "std_msgs/msg/String"
data = bytes(store.serialize_cdr(store.types[kind]("here"), kind))
bag = Path(tempfile.mkdtemp()) / "recording"
with Writer(bag, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
    connection = writer.add_connection("/topic", kind, typestore=store)
    for stamp in range(1, 6):
        writer.write(connection, stamp, data)
(path,) = bag.glob("*.db3")
recorder = sqlite3.connect(path)
recorder.execute("PRAGMA journal_mode = WAL")
topic = recorder.execute("SELECT id FROM topics").fetchone()[0]
for stamp in range(6, 9):
    recorder.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", (topic, stamp, data))
recorder.commit()  # the connection stays open, as that of a recorder does
assert path.with_name(path.name + "-wal").stat().st_size > 0
by_sqlite = sqlite3.connect(path).execute("SELECT count(*) FROM messages").fetchone()[0]
with Reader(bag) as reader:
    by_rosbags = sum(1 for _ in reader.messages())
print("messages by SQLite and by rosbags:", by_sqlite, by_rosbags)
assert (by_sqlite, by_rosbags) == (8, 5), "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

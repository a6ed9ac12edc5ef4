#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A program picks the connections of a topic from a bag, and reads their messages. The bag has no such topic, so that
# its list of connections is empty.
#
# Expected: no messages, as the reader of mcap gives none for topics=[].
# Seen in rosbags 0.11.9: messages(connections=[]) of AnyReader and of the Reader of ROS 2 bags give all messages of the
# bag. An empty list means the same as no list. A handler of images then gets the messages of every other topic.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import importlib.metadata
import tempfile
from pathlib import Path

from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
kind = "std_msgs/msg/String"
path = Path(tempfile.mkdtemp()) / "bag"
with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
    connection = writer.add_connection("/topic", kind, typestore=store)
    for stamp in range(1, 4):
        writer.write(connection, stamp, store.serialize_cdr(store.types[kind]("text"), kind))
found = {}
for name, reader in (("AnyReader", AnyReader([path])), ("Reader", Reader(path))):
    with reader:
        wanted = [c for c in reader.connections if c.topic == "/missing"]
        found[name] = [connection.topic for connection, _, _ in reader.messages(connections=wanted)]
with next(path.glob("*.mcap")).open("rb") as file:
    found["mcap"] = [channel.topic for _, channel, _ in make_reader(file).iter_messages(topics=[])]
print(importlib.metadata.version("rosbags"), found)
three = ["/topic"] * 3
assert found == {"AnyReader": three, "Reader": three, "mcap": []}, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 mcap==1.6.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

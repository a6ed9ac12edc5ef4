#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# rosbags opens an MCAP file that holds a ROS topic and one channel that is not of ROS, as Foxglove's tools record them.
#
# Expected: the topic of ROS is read; at most the other channel is left out. Reading is asked for one topic only.
# Seen: AnyReader of rosbags 0.11.9 raises KeyError('jsonschema') when it opens the file, before any topic is chosen,
# and so gives nothing of it. It looks up every schema of the file, whether somebody asks for its channel or not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
kind = "std_msgs/msg/String"
text, _ = store.generate_msgdef(kind, ros_version=2)
data = bytes(store.serialize_cdr(store.types[kind]("here"), kind))
results = {}
for foreign in (False, True):
    path = Path(tempfile.mkdtemp()) / "recording.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        channel = writer.register_channel("/topic", "cdr", writer.register_schema(kind, "ros2msg", text.encode()))
        writer.add_message(channel, 1, data, 1)
        if foreign:
            schema = writer.register_schema("Note", "jsonschema", b'{"type": "object"}')
            writer.add_message(writer.register_channel("/note", "json", schema), 2, b"{}", 2)
        writer.finish()
    with path.open("rb") as file:
        assert sum(1 for _ in make_reader(file).iter_messages(topics=["/topic"])) == 1
    try:
        with AnyReader([path]) as reader:
            wanted = [connection for connection in reader.connections if connection.topic == "/topic"]
            results[foreign] = sum(1 for _ in reader.messages(wanted))
    except KeyError as error:
        results[foreign] = repr(error)
print("messages of /topic without and with a JSON channel in the file:", results)
assert results == {False: 1, True: "KeyError('jsonschema')"}, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 mcap==1.6.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

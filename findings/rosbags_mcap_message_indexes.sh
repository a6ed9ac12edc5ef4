#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# rosbags reads MCAP files whose chunks have no message indexes. The MCAP specification makes these indexes optional;
# rosbag2's storage option noMessageIndex leaves them out, as mcap's Writer does here.
#
# Expected: all messages, as from the reader of mcap, since the chunks are there and are listed in the summary.
# Seen: rosbags 0.11.9 opens the file without an error, states the right message_count, and gives no message at all.
# Without the list of chunks, too, it gives all of them. A tool that compares nothing takes the recording for empty.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import tempfile
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

store = get_typestore(Stores.ROS2_JAZZY)
kind = "std_msgs/msg/String"
text, _ = store.generate_msgdef(kind, ros_version=2)
data = bytes(store.serialize_cdr(store.types[kind]("here"), kind))
counts = {}
for name, index in (("all", IndexType.ALL), ("no message", IndexType.ALL & ~IndexType.MESSAGE), ("none", IndexType.NONE)):
    path = Path(tempfile.mkdtemp()) / "recording.mcap"
    with path.open("wb") as file:
        writer = Writer(file, index_types=index, chunk_size=200)
        writer.start(profile="ros2")
        channel = writer.register_channel("/topic", "cdr", writer.register_schema(kind, "ros2msg", text.encode()))
        for stamp in range(20):
            writer.add_message(channel, stamp, data, stamp)
        writer.finish()
    with path.open("rb") as file:
        by_mcap = sum(1 for _ in make_reader(file).iter_messages())
    with AnyReader([path]) as reader:
        counts[name] = (by_mcap, reader.message_count, sum(1 for _ in reader.messages()))
print("indexes: (messages by mcap, count that rosbags states, messages by rosbags):", counts)
assert counts == {"all": (20, 20, 20), "no message": (20, 20, 0), "none": (20, 20, 20)}, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet rosbags==0.11.9 mcap==1.6.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

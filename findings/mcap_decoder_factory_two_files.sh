#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# One DecoderFactory of mcap-ros2-support or mcap-protobuf-support decodes the messages of two MCAP files. Schemas are
# numbered file by file, so that schema 1 of the second file is another message type than that of the first.
#
# Expected: each message is decoded by the schema of its own file.
# Seen in mcap-ros2-support 0.6.0 and mcap-protobuf-support 0.6.0: the factory keeps a decoder for each number of a
# schema, and decodes the messages of the second file by the schemas of the first. Fields have other names and wrong
# values, mostly without an error: angles called yaw, pitch and roll come back as x, y and z, and a Duration and an
# Int64Value as a Timestamp.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import io
from importlib.metadata import version

import mcap_protobuf.decoder
import mcap_protobuf.writer
import mcap_ros2.decoder
import mcap_ros2.writer
from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2
from mcap.reader import make_reader


def ros2(kind: str, fields: list[str]) -> io.BytesIO:
    file = io.BytesIO()
    writer = mcap_ros2.writer.Writer(file)
    schema = writer.register_msgdef(kind, "\n".join(f"float64 {field}" for field in fields))
    writer.write_message("/topic", schema, {field: float(i) for i, field in enumerate(fields)}, 1, 1)
    writer.finish()
    return file


def protobuf(message: object) -> io.BytesIO:
    file = io.BytesIO()
    writer = mcap_protobuf.writer.Writer(file)
    writer.write_message("/topic", message, 1, 1)
    writer.finish()
    return file


def decoded(files: list[io.BytesIO], factory: object) -> list[tuple[str, str]]:
    found = []
    for file in files:
        file.seek(0)
        for schema, _, _, message in make_reader(file, decoder_factories=[factory]).iter_decoded_messages():
            found.append((schema.name, type(message).__name__ + " " + " ".join(str(message).split())))
    return found


angles = [ros2("geometry_msgs/msg/Vector3", ["x", "y", "z"]), ros2("robot/msg/Angles", ["yaw", "pitch", "roll"])]
times = [timestamp_pb2.Timestamp(seconds=5), duration_pb2.Duration(seconds=7), wrappers_pb2.Int64Value(value=3)]
of_ros2 = decoded(angles, mcap_ros2.decoder.DecoderFactory())
of_protobuf = decoded([protobuf(time) for time in times], mcap_protobuf.decoder.DecoderFactory())
print(version("mcap-ros2-support"), of_ros2)
print(version("mcap-protobuf-support"), of_protobuf)
assert of_ros2[1][0] == "robot/msg/Angles" and of_ros2[1][1].startswith("Vector3"), "the behaviour has changed"
assert [text for _, text in of_protobuf] == [f"Timestamp seconds: {n}" for n in (5, 7, 3)], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mcap==1.6.0 mcap-ros2-support==0.6.0 mcap-protobuf-support==0.6.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

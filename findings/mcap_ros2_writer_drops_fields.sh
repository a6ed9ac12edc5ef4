#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A camera calibration written as a dictionary by the Writer of mcap-ros2-support.
#
# Expected: the writer raises an error for keys that the message does not have, and for a float64[9] of 12 numbers, as rclpy
# does.
# Seen in mcap-ros2-support 0.6.0 with mcap 1.6.0: keys that the message does not have are dropped, and fields without a
# key are 0. So `K`, as ROS 1 named the matrix, gives a matrix of zeros. Of 12 numbers the first nine are written; three
# numbers are filled up with zeros. A stamp given as seconds is written as 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import io

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer

DEFINITION = "\n".join(
    ["float64[9] k", "builtin_interfaces/Time stamp", "=" * 80, "MSG: builtin_interfaces/Time", "int32 sec", "uint32 nanosec"]
)
MATRIX = [700.0, 0.0, 320.0, 0.0, 700.0, 240.0, 0.0, 0.0, 1.0]
PROJECTION = [700.0, 0.0, 320.0, 0.0, 0.0, 700.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def read_back(message):
    file = io.BytesIO()
    writer = Writer(file)
    writer.write_message("/info", writer.register_msgdef("some_msgs/msg/Info", DEFINITION), message, 1, 1)
    writer.finish()
    file.seek(0)
    (found,) = make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages()
    return list(found.decoded_message.k), found.decoded_message.stamp.sec


cases = {
    "k": ({"k": MATRIX, "stamp": {"sec": 5, "nanosec": 0}}, (MATRIX, 5)),
    "K": ({"K": MATRIX}, ([0.0] * 9, 0)),
    "12 numbers": ({"k": PROJECTION}, (PROJECTION[:9], 0)),
    "3 numbers": ({"k": MATRIX[:3]}, (MATRIX[:3] + [0.0] * 6, 0)),
    "stamp of 5.0": ({"k": MATRIX, "stamp": 5.0}, (MATRIX, 0)),
}
for name, (message, expected) in cases.items():
    found = read_back(message)
    print(f"{name}: matrix {found[0]}, seconds {found[1]}")
    assert found == expected, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mcap==1.6.0 mcap-ros2-support==0.6.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

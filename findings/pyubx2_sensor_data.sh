#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# UBX-ESF-MEAS, the message in which u-blox receivers give the rates of turn and the accelerations of their IMU: 24 bits
# each, in two's complement, with the type in six bits. If the flag calibTtagValid is set, numMeas measurements are
# followed by one more word, the time tag in milliseconds.
#
# Expected: a rate of -1 degree a second, -4096, is -4096. There are numMeas measurements, and a time tag.
# Seen in pyubx2 1.4.0: -4096 is 16773120, which is 4,095 degrees a second. Fields of other messages are signed, such as
# those of ESF-INS. The time tag is one more measurement: its upper bits are the type. It has type 0, "no data", until
# the receiver has run for 4.7 hours; then the types 1, 2 and so on, for 4.7 hours each. From 23.3 to 28 hours it is a
# second rate about z, and from 74.6 hours on an acceleration. Only a comment in the source says that the last is the
# time tag. A loop up to numMeas does not meet it, a loop over all fields does. There is no warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import struct
from importlib.metadata import version

from pyubx2 import UBXMessage, UBXReader, calc_checksum

RATE_X, RATE_Y, RATE_Z, ACCELERATION_X = 14, 13, 5, 16  # data types of u-blox's interface description


def parsed(identity: bytes, payload: bytes) -> UBXMessage:
    body = identity + struct.pack("<H", len(payload)) + payload
    return UBXReader.parse(b"\xb5\x62" + body + calc_checksum(body))


def measurements(values: dict[int, int], hours: float) -> list[tuple[int, int]]:
    words = [kind << 24 | value & 0xFFFFFF for kind, value in values.items()] + [round(hours * 3_600_000)]
    flags = len(values) << 11 | 1 << 3  # numMeas, calibTtagValid
    message = parsed(b"\x10\x02", struct.pack(f"<IHH{len(words)}I", 123456, flags, 0, *words))
    assert message.numMeas == len(values) and message.calibTtagValid == 1
    found = []
    while hasattr(message, f"dataType_{len(found) + 1:02d}"):
        suffix = f"{len(found) + 1:02d}"
        found.append((getattr(message, f"dataType_{suffix}"), getattr(message, f"dataField_{suffix}")))
    return found


print("pyubx2", version("pyubx2"))
RATES = {RATE_X: 4096, RATE_Y: -4096, RATE_Z: -40}
for hours, kind in ((1, 0), (5, 1), (24, RATE_Z), (75, ACCELERATION_X)):
    found = measurements(RATES, hours)
    print(f"  {hours} hours, three measurements (type, value):", *found)
    assert found[:3] == [(RATE_X, 4096), (RATE_Y, 16773120), (RATE_Z, 16777176)], "the behaviour has changed"
    assert [number[0] for number in found[3:]] == [kind], "the behaviour has changed"
ins = parsed(b"\x10\x15", struct.pack("<I4xI6i", 0x3F01, 1000, 4096, -4096, -40, 0, 0, 0))
print("  ESF-INS:", ins.xAngRate, ins.yAngRate, ins.zAngRate)
assert ins.yAngRate < 0, "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyubx2==1.4.0 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

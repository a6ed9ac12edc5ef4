#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A .pcapng file with the packets of two interfaces, as Wireshark's mergecap writes it: a LiDAR's with times in
# microseconds, and a camera's with times in nanoseconds (option if_tsresol). A third interface counts its seconds
# from an hour after 1970 (option if_tsoffset).
#
# Expected: three times close to 1,700,000,000 s.
# Seen:
#   dpkt 1.9.8           uses the resolution of the first interface for all: the camera's packet is in the year 55840,
#                        or 1.7 million seconds after 1970 if the order is the other way round
#   dpkt, scapy 2.8.0 and python-pcapng 2.1.1
#                        ignore if_tsoffset: the third packet is an hour early
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PYTHON'
import io
import struct
from importlib.metadata import version

import dpkt
from pcapng import FileScanner
from scapy.utils import PcapNgReader

T, PACKET = 1_700_000_000, bytes(60)


def block(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(digits: int, offset: int = 0) -> bytes:
    options = option(9, bytes([digits])) + option(14, struct.pack("<q", offset)) + option(0, b"")
    return block(1, struct.pack("<HHI", 1, 0, 65535) + options)


def packet(number: int, ticks: int) -> bytes:
    return block(6, struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, 60, 60) + PACKET)


start = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
micro, nano = interface(6), interface(9)
late = interface(9, 3600)
first = start + micro + nano + late + packet(0, T * 10**6) + packet(1, T * 10**9) + packet(2, (T - 3600) * 10**9)
second = start + nano + micro + packet(0, T * 10**9) + packet(1, T * 10**6)
readers = {
    "dpkt": lambda data: [float(time) for time, _ in dpkt.pcapng.Reader(io.BytesIO(data))],
    "scapy": lambda data: [float(found.time) for found in PcapNgReader(io.BytesIO(data))],
    "python-pcapng": lambda data: [b.timestamp for b in FileScanner(io.BytesIO(data)) if hasattr(b, "timestamp")],
}
got = {}
for name, read in readers.items():
    got[name] = [[time - T for time in read(data)] for data in (first, second)]
    print(name, version(name), "seconds off:", *got[name])
assert got["dpkt"] == [[0, 999 * T, 999 * T - 3_600_000], [0, T / 1000 - T]], "the behaviour has changed"
assert got["scapy"] == got["python-pcapng"] == [[0, 0, -3600], [0, 0]], "the behaviour has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dpkt==1.9.8 scapy==2.8.0 python-pcapng==2.1.1 2>/dev/null
"$folder/venv/bin/python" "$folder/run.py"

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files as other tools write them (mcap.dev/spec): any profile and schema, with or without chunks and indexes."""

import struct
from collections import Counter

import lz4.frame

from helpers.bags import definition
from i2p_ros.core.decompression import zstd

MAGIC = b"\x89MCAP0\r\n"


def text(content):
    data = content if isinstance(content, bytes) else content.encode()
    return struct.pack("<I", len(data)) + data


def record(kind, content):
    return struct.pack("<BQ", kind, len(content)) + content


def schema(number, name, encoding, content):
    return record(0x03, struct.pack("<H", number) + text(name) + text(encoding) + text(content))


def channel(number, schema_number, topic, encoding):
    return record(0x04, struct.pack("<HH", number, schema_number) + text(topic) + text(encoding) + text(b""))


def message(number, time, data):
    return record(0x05, struct.pack("<HIQQ", number, 0, time, time) + data)


def chunk(rows, compression=""):
    """The chunk of messages as (channel, time, bytes), and its sizes, packed and unpacked."""
    content = b"".join(message(*row) for row in rows)
    packed = {"": bytes, "zstd": zstd.compress, "lz4": lz4.frame.compress}[compression](content)
    times = [time for _, time, _ in rows]
    head = struct.pack("<QQQI", min(times), max(times), len(content), 0)
    sizes = len(packed), len(content)
    return record(0x06, head + text(compression) + struct.pack("<Q", len(packed)) + packed), sizes


def message_indexes(rows):
    """The message index of each channel of a chunk, by channel."""
    entries, at = {}, 0
    for number, time, data in rows:
        entries.setdefault(number, b"")
        entries[number] += struct.pack("<QQ", time, at)
        at += len(message(number, time, data))
    return {number: record(0x07, struct.pack("<H", number) + text(content)) for number, content in entries.items()}


def write_mcap(
    path, rows, *, per_chunk=0, indexed=10**6, compression="", statistics=True, profile="ros2", ros1=False,
    foreign=None, end=True,
):  # fmt: skip
    """Write messages as (topic, type, time, bytes), in chunks of so many messages or, with 0, without chunks.

    `foreign` are the name, encoding and bytes of a schema and the encoding and bytes of a message of it, on /other.
    All chunks have an index, and the first `indexed` chunks have indexes of their messages.
    """
    kinds = list(dict.fromkeys((topic, kind) for topic, kind, _, _ in rows))
    numbers = {key: number for number, key in enumerate(kinds, 1)}
    definitions = b""
    for (topic, kind), n in numbers.items():
        name, encoding = (kind.replace("/msg/", "/"), "ros1") if ros1 else (kind, "ros2")
        definitions += schema(n, name, f"{encoding}msg", definition(kind, ros1))
        definitions += channel(n, n, topic, "ros1" if ros1 else "cdr")
    plain = [(numbers[topic, kind], time, data) for topic, kind, time, data in rows]
    if foreign:
        name, encoding, content, form, data = foreign
        definitions += schema(99, name, encoding, content) + channel(99, 99, "/other", form)
        plain.append((99, rows[-1][2], data))
    out = MAGIC + record(0x01, text(profile) + text("test")) + definitions
    indexes = b""
    if not per_chunk:
        out += b"".join(message(*row) for row in plain)
    for k in range(0, len(plain) if per_chunk else 0, per_chunk or 1):
        part = plain[k : k + per_chunk]
        start, (whole, sizes) = len(out), chunk(part, compression)
        own = message_indexes(part) if k < indexed * per_chunk else {}
        offsets, at = b"", start + len(whole)
        for number, index in own.items():
            offsets += struct.pack("<HQ", number, at)
            at += len(index)
        out += whole + b"".join(own.values())
        times = [time for _, time, _ in part]
        head = struct.pack("<QQQQ", min(times), max(times), start, len(whole))
        tail = struct.pack("<Q", at - start - len(whole)) + text(compression) + struct.pack("<QQ", *sizes)
        indexes += record(0x08, head + text(offsets) + tail)
    if not end:
        path.write_bytes(out)
        return path
    out += record(0x0F, bytes(4))
    summary = len(out)
    out += definitions + indexes
    if statistics:
        counts = Counter(number for number, _, _ in plain)
        numbers_of = b"".join(struct.pack("<HQ", *item) for item in counts.items())
        chunks = -(-len(plain) // per_chunk) if per_chunk else 0
        times = [time for _, time, _ in plain]
        head = struct.pack("<QHIIIIQQ", len(plain), len(kinds), len(kinds), 0, 0, chunks, min(times), max(times))
        out += record(0x0B, head + text(numbers_of))
    path.write_bytes(out + record(0x02, struct.pack("<QQI", summary, 0, 0)) + MAGIC)
    return path

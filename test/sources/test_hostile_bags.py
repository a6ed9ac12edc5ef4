# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags whose sizes, offsets and tables lie: refused or counted within little time and memory."""

import sqlite3
import struct
import tracemalloc

import pytest
from helpers.bags import FRAMES, messages, written
from helpers.mcap import MAGIC, chunk, message, record, schema, text, write_mcap
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from i2p_ros.core.decompression import zstd
from i2p_ros.core.errors import InputError
from i2p_ros.sources import unpacking
from i2p_ros.sources.bag_files import bag_files
from i2p_ros.sources.rosbag import RosbagSource
from i2p_ros.sources.unpacking import BagDamageError, unpacked

BOMB = zstd.compress(bytes(1 << 29))  # 16 KiB
MOST = 100 << 20  # bytes that opening may need


def outcome(path):
    """What is lost of a bag that can be opened, else the reason of the error."""
    tracemalloc.start()
    try:
        with RosbagSource(path) as source:
            assert len(source) == FRAMES
            return dict(source.lost)
    except InputError as error:
        return error.reason
    finally:
        assert tracemalloc.get_traced_memory()[1] < MOST
        tracemalloc.stop()


def mcap(path, *records):
    """The usual messages, then these records, and a proper end without a summary."""
    plain = write_mcap(path, messages(), per_chunk=3, end=False).read_bytes()
    path.write_bytes(plain + b"".join(records) + record(0x0F, bytes(4)) + record(0x02, bytes(20)) + MAGIC)
    return path


def packed_chunk(size, data):
    return record(0x06, struct.pack("<QQQI", 0, 2**63, size, 0) + text("zstd") + struct.pack("<Q", len(data)) + data)


@pytest.mark.parametrize(
    ("records", "lost"),
    [
        ([packed_chunk(1 << 29, BOMB)], {"bag.damaged": 1}),
        ([packed_chunk(1 << 62, BOMB)], {"bag.damaged": 1}),
        ([packed_chunk(100, BOMB)], {"bag.damaged": 1}),
        ([record(0x06, b"")], {"bag.damaged": 1}),
        ([record(0x06, bytes(28) + b"\xff" * 4)], {"bag.damaged": 1}),
        ([chunk([(1, 0, b"x")])[0].replace(b"\x05\x17", b"\x05\xff", 1)], {"bag.damaged": 1}),
        ([struct.pack("<BQ", 0x05, 2**63)], {"bag.cut_off": 1}),
        ([struct.pack("<BQ", 0x06, 2**64 - 1)], {"bag.cut_off": 1}),
        ([record(0x05, b"short")], {"bag.cut_off": 1}),
        ([schema(1, "x", "y", "")[:-4] + b"\xff" * 4], {"bag.cut_off": 1}),
        ([record(0x03, b"")], {"bag.cut_off": 1}),
        ([record(0x04, b"\1")], {"bag.cut_off": 1}),
        ([message(999, 0, b"of no channel")], {}),
        ([record(0x77, b"of a later version")], {}),
    ],
)
def test_mcap_records_that_lie(tmp_path, records, lost):
    assert outcome(mcap(tmp_path / "bag.mcap", *records)) == lost


@pytest.mark.parametrize("summary", [1, 8, 9, 2**40, 2**64 - 1])
def test_an_mcap_whose_footer_points_anywhere(tmp_path, summary):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=3)
    data = bytearray(path.read_bytes())
    data[-28:-20] = struct.pack("<Q", summary)
    path.write_bytes(data)
    assert outcome(path) == {}


def test_an_mcap_whose_chunk_indexes_point_anywhere(tmp_path):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=3)
    data = path.read_bytes()
    (at,) = struct.unpack("<Q", data[-28:-20])
    while data[at] != 0x08:
        at += 9 + struct.unpack_from("<Q", data, at + 1)[0]
    start, length = at + 25, at + 33
    for place, value in ((start, 2**40), (start, 0), (length, 0), (length, 2**63)):
        path.write_bytes(data[:place] + struct.pack("<Q", value) + data[place + 8 :])
        with RosbagSource(path) as source:  # a chunk that is said to be longer than the file is read by its own length
            assert source.lost == ({} if value == 2**63 else {"bag.damaged": 1})


@pytest.mark.parametrize("data", [BOMB, b"\x28\xb5\x2f\xfd", BOMB[:100], b"", zstd.compress(b"1234")[:-1]])
def test_messages_that_do_not_unpack(data):
    with pytest.raises(BagDamageError):
        unpacked(memoryview(data), "zstd")
    with pytest.raises(BagDamageError):
        unpacked(memoryview(data), "lz4", 1 << 28)
    with pytest.raises(BagDamageError, match="unknown"):
        unpacked(memoryview(data), "brotli")


def test_a_zstd_file_that_unpacks_to_too_much(tmp_path, monkeypatch):
    path = written(tmp_path, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    (file,) = path.glob("*.zstd")
    monkeypatch.setattr(unpacking, "MOST_FILE_BYTES", 4 << 20)
    file.write_bytes(BOMB)
    assert outcome(file) == outcome(path) == "bag.too_large"
    file.write_bytes(zstd.compress(BOMB))
    assert outcome(file) == "bag.unreadable"
    file.write_bytes(zstd.compress(b"x")[:4] + b"\xff" * 30)
    assert outcome(file) == "bag.unreadable"


def test_a_disk_without_room_for_what_is_unpacked(tmp_path, monkeypatch):
    path = written(tmp_path, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1 << 60)
    with pytest.raises(InputError, match=r"zstd -d bag.mcap.zstd") as caught:
        RosbagSource(path)
    assert caught.value.reason == "bag.too_large"


@pytest.mark.parametrize("field", [b"index_pos=", b"chunk_count=", b"conn_count=", b"chunk_pos=", b"count="])
@pytest.mark.parametrize("value", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x7f"])
def test_a_ros1_bag_whose_index_lies(tmp_path, field, value):
    path = written(tmp_path, "ros1")
    data = path.read_bytes()
    at = data.rindex(field) + len(field)
    path.write_bytes(data[:at] + value + data[at + 4 :])
    assert outcome(path) in ({}, {"bag.cut_off": 1})


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**32 - 1])
def test_a_ros1_bag_whose_records_lie(tmp_path, value):
    path = written(tmp_path, "ros1")
    data = path.read_bytes()
    first = data.index(b"op=\x05")
    for at in (13, 13 + 4096, data.index(b"size=", first) + 5, data.index(b"op=\x02") - 4):
        path.write_bytes(data[:at] + struct.pack("<I", value) + data[at + 4 :])
        found = outcome(path)
        assert found in ({}, {"bag.cut_off": 1}, {"bag.damaged": 1}) or found.startswith("bag.")


ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    "SELECT x AS id, 1 AS topic_id, x AS timestamp, x AS data FROM c"
)


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE messages RENAME TO other", f"CREATE VIEW messages AS {ENDLESS}"],
        ["ALTER TABLE topics RENAME TO other", "CREATE VIEW topics AS SELECT * FROM other"],
        ["ALTER TABLE messages ADD COLUMN more BLOB GENERATED ALWAYS AS (zeroblob(1000000000))"],
        ["DROP TABLE messages"],
        ["DROP TABLE topics", "CREATE TABLE topics(id)"],
        ["UPDATE messages SET data = 'text'"],
    ],
)
def test_an_sqlite_file_that_is_no_recording(tmp_path, statements):
    path = written(tmp_path, "sqlite3")
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    assert outcome(file) == "bag.unreadable"


def test_metadata_that_names_files_elsewhere(tmp_path):
    path = written(tmp_path)
    (file,) = path.glob("*.mcap")
    names = [f"../../{file.name}", "/etc/passwd", "a" * 5000]
    lines = "".join(f"  - {name}\n" for name in names)
    (path / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  relative_file_paths:\n{lines}")
    found = bag_files(path)
    assert found.files == (file,) and found.missing == ("passwd", "a" * 5000)
    (path / "metadata.yaml").write_text("rosbag2_bagfile_information:\n  relative_file_paths: [7, {}]\n")
    assert bag_files(path).files == (file,)


def test_a_metadata_file_that_refers_to_itself(tmp_path):
    path = written(tmp_path)
    layers = "".join(f"  l{k}: &l{k} [{', '.join([f'*l{k - 1}'] * 9)}]\n" for k in range(1, 30))
    bomb = f"rosbag2_bagfile_information:\n  l0: &l0 [x]\n{layers}  relative_file_paths: *l29\n"
    (path / "metadata.yaml").write_text(bomb)
    assert outcome(path) == {}

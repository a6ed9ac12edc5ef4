# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that are unfinished, packed or written without indexes: row 62 of docs/faults.md."""

import shutil
import sqlite3
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.bags import CLOUDS, FRAMES, HEIGHT, IMAGES, START, WIDTH, messages, pose, stamps, written
from helpers.mcap import write_mcap
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from i2p_ros.core.config import Settings
from i2p_ros.core.decompression import zstd
from i2p_ros.core.errors import InputError
from i2p_ros.sources.opening import open_source
from i2p_ros.sources.rosbag import RosbagSource

MANY = 400  # pairs, of which about 90 are in a chunk of 1 MiB


def many(bag):
    bag.transforms(START, ("lidar", "cam_optical", pose(1)))
    bag.info(START)
    for i, stamp in enumerate(stamps(MANY)):
        bag.image(stamp, IMAGES[i % FRAMES])
        bag.cloud(stamp, CLOUDS[i % FRAMES])


def check(path, pairs=FRAMES, **lost):
    with RosbagSource(path) as source:
        assert len(source) == pairs and source.lost == {f"bag.{reason}": count for reason, count in lost.items()}
        for i in (0, len(source) - 1):
            np.testing.assert_array_equal(source[i].pair.image, IMAGES[i % FRAMES])
            np.testing.assert_array_equal(source[i].pair.cloud.xyz, CLOUDS[i % FRAMES, :, :3])
        assert source[0].T_camera_lidar is not None


def unordered():
    """Messages of the usual bag, of which every second pair of neighbours is swapped."""
    rows = messages()
    for k in range(4, len(rows) - 1, 4):
        rows[k], rows[k + 1] = rows[k + 1], rows[k]
    return rows


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_chunk_indexes_without_message_indexes(tmp_path, compression):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=3, indexed=0, compression=compression)
    with AnyReader([path]) as reader:
        assert not list(reader.messages())  # what rosbags makes of it
    check(path)


@pytest.mark.parametrize("compression", list(Writer1.CompressionFormat))
def test_compressed_ros1_bags(tmp_path, compression):
    path = written(tmp_path, "ros1", fmt=compression)
    check(path)
    data = path.read_bytes()
    at = data.index(b"index_pos=") + len(b"index_pos=")
    path.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
    check(path, cut_off=1)


def test_message_indexes_for_some_chunks_only(tmp_path):
    check(write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=3, indexed=4))


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("per_chunk", [0, 4])
def test_messages_that_are_not_in_order_of_time(tmp_path, per_chunk, statistics):
    """As the preset `fastwrite` of rosbag2 writes them without chunks, in the order in which callbacks end."""
    check(write_mcap(tmp_path / "bag.mcap", unordered(), per_chunk=per_chunk, statistics=statistics))


@pytest.mark.parametrize("per_chunk", [0, 4])
def test_an_mcap_that_is_still_written(tmp_path, per_chunk):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=per_chunk, end=False)
    check(path, cut_off=1)
    path.write_bytes(path.read_bytes() + b"\x05\xff\xff")
    check(path, cut_off=1)


def test_a_damaged_chunk_costs_its_messages_only(tmp_path):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=4, compression="zstd")
    data = bytearray(path.read_bytes())
    at = data.rfind(b"\x28\xb5\x2f\xfd")  # of the last chunk
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)
    with RosbagSource(path) as source:
        assert len(source) == FRAMES - 1 and source.lost == {"bag.damaged": 1}


def test_zstd_by_message_without_metadata(tmp_path):
    path = written(tmp_path, "sqlite3", mode=CompressionMode.MESSAGE, fmt=CompressionFormat.ZSTD)
    (file,) = path.glob("*.db3")
    check(file)
    (path / "metadata.yaml").unlink()
    check(path)


def test_a_message_whose_compression_is_damaged_is_counted(tmp_path):
    path = written(tmp_path, "sqlite3", mode=CompressionMode.MESSAGE, fmt=CompressionFormat.ZSTD)
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        database.execute("UPDATE messages SET data = X'28B52FFD00' WHERE id = (SELECT MAX(id) FROM messages)")
    database.close()
    with RosbagSource(file) as source:
        assert source.lost == {"bag.damaged": 1}


@pytest.mark.parametrize("content", ["", "---\n", "rosbag2_bagfile_information:\n", "a: [", "\0\1\2", "- 1\n"])
@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_an_empty_or_broken_metadata_file(tmp_path, kind, content):
    path = written(tmp_path, kind)
    (path / "metadata.yaml").write_text(content)
    check(path)


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
@pytest.mark.parametrize("metadata", [True, False])
def test_compression_by_file(tmp_path, kind, metadata):
    path = written(tmp_path, kind, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    if not metadata:
        (path / "metadata.yaml").unlink()
    (file,) = path.glob("*.zstd")
    check(path)
    check(file)
    with open_source("auto", file, settings=Settings()) as source:
        assert len(source) == FRAMES


@pytest.mark.parametrize("kind", ["mcap", "sqlite3"])
def test_files_that_were_packed_or_unpacked_after_the_recording(tmp_path, kind):
    path = written(tmp_path, kind)
    (file,) = (f for f in path.iterdir() if f.suffix != ".yaml")
    packed = file.with_name(f"{file.name}.zstd")
    packed.write_bytes(zstd.compress(file.read_bytes()))
    check(path)
    file.unlink()
    check(path)
    (path / "metadata.yaml").write_text((path / "metadata.yaml").read_text().replace(file.name, packed.name))
    file.write_bytes(zstd.decompress(packed.read_bytes()))
    packed.unlink()
    check(path)


def test_what_was_unpacked_is_removed_with_the_source(tmp_path, monkeypatch):
    path = written(tmp_path, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with RosbagSource(path):
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert not list((tmp_path / "temporary").iterdir())


def test_a_packed_file_that_is_cut_off(tmp_path):
    def filling(bag):
        bag.info(START)
        for stamp in stamps(MANY):
            bag.image(stamp, noise.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
            bag.cloud(stamp, CLOUDS[0])

    noise = np.random.default_rng(0)
    path = written(tmp_path, filling=filling)
    (file,) = path.glob("*.mcap")
    whole = zstd.compress(file.read_bytes())
    file.with_name("bag.mcap.zstd").write_bytes(whole[: len(whole) * 6 // 10])
    file.unlink()
    (path / "metadata.yaml").unlink()
    with RosbagSource(path) as source:
        assert 100 < len(source) < MANY and source.lost == {"bag.cut_off": 1}


def test_an_unfinished_ros1_bag(tmp_path):
    whole = written(tmp_path, "ros1", many).read_bytes()
    at = whole.index(b"index_pos=") + len(b"index_pos=")
    index = int.from_bytes(whole[at : at + 8], "little")
    path = tmp_path / "recording.bag.active"
    path.write_bytes(whole[:at] + bytes(8) + whole[at + 8 : index])
    check(path, MANY, cut_off=1)
    with open_source("auto", path, settings=Settings()) as source:
        assert len(source) == MANY
    path.write_bytes(path.read_bytes()[: index * 6 // 10])
    with RosbagSource(path) as source:
        assert 100 < len(source) < MANY * 0.6 and source.lost == {"bag.cut_off": 1}


def test_an_unfinished_ros1_bag_with_an_open_chunk(tmp_path):
    """roscpp writes the length of a chunk when it ends it: until then the length is zero, and the messages follow."""
    whole = written(tmp_path, "ros1").read_bytes()
    at = whole.index(b"index_pos=") + len(b"index_pos=")
    index = int.from_bytes(whole[at : at + 8], "little")
    data = bytearray(whole[:at] + bytes(8) + whole[at + 8 : index])
    chunk = 13 + 4096  # after the magic and the padded head of the bag
    (length,) = struct.unpack_from("<I", data, chunk)
    data[chunk + 4 + length : chunk + 8 + length] = bytes(4)
    size = data.index(b"size=", chunk) + 5
    data[size : size + 4] = bytes(4)
    path = tmp_path / "recording.bag.active"
    path.write_bytes(data)
    check(path, cut_off=1)


def test_messages_in_the_log_of_an_sqlite_recording(tmp_path):
    """The preset `resilient` of rosbag2 writes ahead to a log, which stays beside the .db3 file after a crash."""
    path = written(tmp_path, "sqlite3")
    (file,) = path.glob("*.db3")
    database = sqlite3.connect(file)
    rows = database.execute("SELECT * FROM messages").fetchall()
    with database:
        database.execute("DELETE FROM messages")
    database.execute("PRAGMA journal_mode = WAL")
    with database:
        database.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
    crashed = tmp_path / "crashed"
    shutil.copytree(path, crashed)
    database.close()
    (log,) = crashed.glob("*-wal")
    before = log.read_bytes()
    check(crashed)
    assert log.read_bytes() == before and not list(Path(crashed).glob("*.db3-journal"))


def test_a_file_that_metadata_lists_and_that_is_gone_is_counted(tmp_path):
    path = written(tmp_path)
    (file,) = path.glob("*.mcap")
    metadata = path / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(f"- {file.name}\n", f"- {file.name}\n  - gone_1.mcap\n", 1))
    check(path, missing_file=1)


def test_one_unreadable_split_does_not_close_the_others(tmp_path):
    path = written(tmp_path)
    (path / "metadata.yaml").unlink()
    (path / "bag_1.mcap").write_bytes(b"")
    check(path, unreadable_file=1)


def test_an_old_ros1_bag_is_named(tmp_path):
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V1.2\n" + bytes(100))
    with pytest.raises(InputError, match=r"rosbag fix") as caught:
        RosbagSource(tmp_path / "old.bag")
    assert caught.value.reason == "bag.unreadable"


def test_rosbags_reads_the_same_from_what_these_tests_write(tmp_path):
    path = write_mcap(tmp_path / "bag.mcap", messages(), per_chunk=4)
    with AnyReader([path]) as reader:
        expected = [(c.topic, time, bytes(raw)) for c, time, raw in reader.messages()]
    assert sorted(expected) == sorted((topic, time, raw) for topic, _, time, raw in messages())

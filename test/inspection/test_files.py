# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of every kind are judged alike, and what is wrong with their files is found."""

import time
from pathlib import Path

import numpy as np
import pytest
from helpers.bags import LOST_DEFINITION, LOST_EVENT, MS, ROS2, START, Bag, messages, written
from helpers.checked_bags import CLOUD, FRAMES, HEIGHT, IMAGE, INFO, MOUNT, WIDTH, K, P, Recipe, cloud_message, sweep
from helpers.mcap import write_mcap
from helpers.odd_bags import ODD
from helpers.toy_dataset import ToySource, is_toy, write_toy
from rosbags.rosbag1 import Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from i2p_ros.core.config import Settings, SyntheticSettings, validated
from i2p_ros.inspection import inspect
from i2p_ros.sources.bag_reader import open_reader
from i2p_ros.sources.kinds import KINDS, SourceKind
from i2p_ros.synthetic import SyntheticSource
from i2p_ros.writers.writing import write_kitti_raw

FILL = Recipe().fill


def codes(found):
    return {finding.code for finding in found.findings}


def packed(tmp_path):
    return written(tmp_path, filling=FILL, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)


KINDS_OF_BAGS = {
    "mcap": lambda p: written(p, "mcap", FILL),
    "sqlite3": lambda p: written(p, "sqlite3", FILL),
    "ros1": lambda p: written(p, "ros1", FILL),
    "ros1 lz4": lambda p: written(p, "ros1", FILL, fmt=Writer.CompressionFormat.LZ4),
    "packed file": packed,
    "packed messages": lambda p: written(
        p, filling=FILL, mode=CompressionMode.MESSAGE, fmt=CompressionFormat.ZSTD
    ),
    "chunks": lambda p: write_mcap(p / "bag.mcap", messages(FILL), per_chunk=7, compression="zstd"),
    "without chunks": lambda p: write_mcap(p / "bag.mcap", messages(FILL)),
    "half of the indexes": lambda p: write_mcap(p / "bag.mcap", messages(FILL), per_chunk=7, indexed=5),
    "without statistics": lambda p: write_mcap(p / "bag.mcap", messages(FILL), per_chunk=7, statistics=False),
    "splits": lambda p: split(p)[0],
}  # fmt: skip


def split(tmp_path, parts=3):
    """A folder with splits without metadata, and its files."""
    folder = tmp_path / "run"
    folder.mkdir()
    rows = messages(FILL)
    size = -(-len(rows) // parts)
    files = [write_mcap(folder / f"run_{k}.mcap", rows[k * size : (k + 1) * size], per_chunk=7) for k in range(parts)]
    return folder, files


@pytest.mark.parametrize("kind", KINDS_OF_BAGS)
def test_a_good_bag_of_every_kind_is_usable_and_has_no_finding(tmp_path, kind):
    found = inspect(KINDS_OF_BAGS[kind](tmp_path), Settings())
    assert found.verdict == "usable" and not found.findings, codes(found)
    topics = {topic.name: topic for topic in found.topics}
    assert topics[IMAGE].count == topics[CLOUD].count == found.pairs == FRAMES
    assert topics[CLOUD].rate_hz == pytest.approx(10.0) and topics[CLOUD].largest_gap_s == pytest.approx(0.1)
    assert (found.camera.width, found.camera.height, found.camera.lens) == (WIDTH, HEIGHT, "pinhole")
    assert found.lidar.fields == ("x", "y", "z", "intensity", "ring", "t") and found.lidar.has_ring
    assert (found.lidar.time_unit, found.lidar.points) == ("ns", 4000)
    assert found.lidar.sweep_s == pytest.approx(0.099, abs=1e-4) and found.transform == "/tf_static"
    assert found.sensor_gap_ms == 0.0 and 0.1 < found.overlap < 0.25 and found.motion.startswith("moves")
    assert (found.start, found.end) == (START, START + 100 * MS * (FRAMES - 1) + 5 * MS)


@pytest.mark.parametrize("kind", KINDS_OF_BAGS)
def test_times_of_the_indexes_are_those_of_the_messages(tmp_path, kind):
    reader, _ = open_reader(KINDS_OF_BAGS[kind](tmp_path))
    read: dict[tuple[str, str], list[int]] = {}
    for connection, received, _ in reader.messages():
        read.setdefault((connection.topic, connection.msgtype), []).append(received)
    assert {key: list(times) for key, times in reader.times().items()} == read
    reader.close()


@pytest.mark.parametrize("kind", KINDS_OF_BAGS)
def test_no_connections_give_no_messages(tmp_path, kind):
    """In rosbags 0.11.9 an empty list stands for all, so that a topic that a bag lacks gives those of the others."""
    reader, _ = open_reader(KINDS_OF_BAGS[kind](tmp_path))
    missing = [connection for connection in reader.connections if connection.topic == "/missing"]
    assert not list(reader.messages(missing)) and any(reader.messages())
    reader.close()


@pytest.mark.parametrize("kind", ["mcap", "ros1"])
def test_a_damaged_index_of_a_chunk_is_replaced_by_reading_it(tmp_path, kind):
    path = written(tmp_path, kind, FILL)
    file = path if path.is_file() else next(path.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    reader, _ = open_reader(path)
    chunk = reader._files[0].chunks[0]
    expected = reader.times()
    reader.close()
    data[chunk.end : chunk.end + 30] = b"\xff" * 30
    file.write_bytes(data)
    reader, _ = open_reader(path)
    assert {key: list(times) for key, times in reader.times().items()} == {k: list(t) for k, t in expected.items()}
    reader.close()


def test_a_lone_split_says_whose_static_transforms_it_has(tmp_path):
    _, files = split(tmp_path)
    found = inspect(files[1], Settings())
    assert codes(found) == {"tf.of_other_file", "recording.short"} and found.transform == "/tf_static"
    files[0].unlink()
    assert "tf.none" in codes(inspect(files[1], Settings()))


def test_a_bag_that_is_being_written_is_judged_so_far(tmp_path):
    found = inspect(write_mcap(tmp_path / "bag.mcap", messages(FILL), per_chunk=7, end=False), Settings())
    assert codes(found) == {"recording.cut_off"} and found.pairs == FRAMES and found.verdict == "usable"


def test_a_missing_split_is_found(tmp_path):
    folder, files = split(tmp_path)
    listed = "".join(f"    - {file.name}\n" for file in files)
    (folder / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  relative_file_paths:\n{listed}")
    assert not codes(inspect(folder, Settings()))
    files[-1].unlink()
    assert codes(inspect(folder, Settings())) == {"recording.missing_file"}
    files[1].write_bytes(b"nonsense")
    assert {"recording.missing_file", "recording.unreadable_file"} <= codes(inspect(folder, Settings()))


def test_two_recordings_in_a_folder_are_told(tmp_path):
    for name in ("monday", "tuesday"):
        write_mcap(tmp_path / f"{name}.mcap", messages(FILL), per_chunk=7)
    assert "recording.several" in codes(inspect(tmp_path, Settings()))


def test_a_damaged_chunk_is_found(tmp_path):
    path = write_mcap(tmp_path / "bag.mcap", messages(FILL), per_chunk=7, compression="zstd")
    data = bytearray(path.read_bytes())
    place = data.find(b"\x28\xb5\x2f\xfd")  # of the first chunk
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)
    assert "recording.damaged" in codes(inspect(path, Settings()))


def test_losses_of_the_recorder_are_told(tmp_path):
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(LOST_DEFINITION, LOST_EVENT))
    lost = store.types["rosbag2_interfaces/msg/MessagesLostEventTopicStat"](CLOUD, 2, 3)

    def filling(bag):
        FILL(bag)
        bag.definitions[LOST_EVENT] = LOST_DEFINITION, "unknown"
        raw = bytes(store.serialize_cdr(store.types[LOST_EVENT]("/rosbag2_recorder", [lost]), LOST_EVENT))
        bag.write_raw("/events/rosbag2_messages_lost", LOST_EVENT, raw, START)

    found = inspect(written(tmp_path, filling=filling), Settings())
    assert codes(found) == {"recording.not_recorded"} and found.findings[0].text.endswith("5")


def test_an_empty_bag_and_what_is_no_bag_are_unusable(tmp_path):
    found = inspect(written(tmp_path, filling=lambda bag: None), Settings())
    assert codes(found) == {"recording.empty"} and found.verdict == "unusable"
    (tmp_path / "text.mcap").write_text("not a bag")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "text.mcap", tmp_path / "folder", tmp_path / "nothing", Path("/dev/null")):
        found = inspect(path, Settings())
        assert codes(found) == {"recording.unreadable"} and found.verdict == "unusable"
        assert {ability.works for ability in found.abilities.values()} == {"no"} and "\n" not in found.findings[0].text


def test_named_topics_are_judged_and_unknown_ones_are_told(tmp_path):
    def second(bag, k, t):
        message = cloud_message(sweep(k, 500), bag.header(t, "lidar"), bag.store)
        bag.write_raw("/rear/points", message.__msgtype__, bag.serialize(message, message.__msgtype__), t)

    path = written(tmp_path, filling=Recipe(extra=second).fill)
    found = inspect(path, validated({"topics": {"points": "/rear/points"}}))
    assert found.lidar.topic == "/rear/points" and codes(found) == {"cloud.few_points"}
    for kind, name in (("image", "/a"), ("points", "/b"), ("camera_info", "/c")):
        found = inspect(path, validated({"topics": {kind: name}}))
        assert codes(found) == {"topics.unknown"} and name in found.findings[0].text and found.verdict == "unusable"


def test_stamps_of_zero_do_not_matter_by_arrival(tmp_path):
    path = written(tmp_path, filling=Recipe(cloud_stamp=lambda k, t: 0, cloud=sweep).fill)
    found = inspect(path, validated({"pairing": {"use_arrival_time": True}}))
    assert found.pairs == FRAMES and found.sensor_gap_ms == pytest.approx(-5.0) and "stamps.zero" not in codes(found)


@pytest.mark.parametrize("name", ODD)
def test_bags_of_real_drivers_are_read_as_the_source_reads_them(tmp_path, name):
    odd = ODD[name]
    tree: dict[str, dict[str, object]] = {}
    for key, value in odd.settings.items():
        group, _, setting = key.partition(".")
        tree.setdefault(group, {})[setting] = value
    found = inspect(odd.written(tmp_path), validated(tree))
    assert found.camera.topic == odd.image and found.camera.camera_info == odd.info_topic and found.camera.lens
    assert found.lidar.topic == "/lidar/points" and found.lidar.points == 256 and found.pairs == 3
    assert codes(found) - {"cloud.no_time", "motion.stationary"} <= {
        "cloud.few_points", "cloud.no_intensity", "recording.short", "tf.none", "topics.several", "cloud.bad_time",
        "camera_info.changes", "camera_info.contradiction",
    }  # fmt: skip


def test_dataset_folders_are_judged_by_some_samples(tmp_path):
    source = SyntheticSource(SyntheticSettings(drive=True, rate_hz=2.0), 5, 5)
    write_kitti_raw(source, tmp_path / "raw")
    found = inspect(tmp_path / "raw", Settings())
    assert found.verdict == "usable" and not found.findings, codes(found)
    assert (found.kind, found.pairs, found.camera.topic) == ("kitti", 5, "image_02")
    assert found.topics[0].rate_hz == pytest.approx(2.0) and 0.05 < found.overlap < 0.3
    assert found.motion.startswith("moves")
    image = next((tmp_path / "raw").rglob("image_02/data/*.png"))
    image.write_bytes(b"")
    assert codes(inspect(tmp_path / "raw", Settings())) == {"recording.damaged"}


def test_a_dataset_of_ones_own_is_judged(tmp_path, monkeypatch):
    write_toy(tmp_path, SyntheticSource(SyntheticSettings(drive=True), 5, 8))
    kind = SourceKind(
        "toy", "toy folder", lambda r: ToySource(r.path, r.choices.get("drives"), r.choices.get("cameras")), is_toy,
        "DRIVE/CAMERA", choices=("cameras", "drives"),
    )  # fmt: skip
    monkeypatch.setitem(KINDS, "toy", kind)
    found = inspect(tmp_path, Settings(), drives=["a"], cameras=["left"])
    assert found.kind == "toy" and found.pairs == 2 and "recording.unreadable" not in codes(found)


def test_real_frames_are_usable(kitti_root):
    few = validated({"monitor": {"window": 2}})  # there may be three frames
    found = inspect(kitti_root / "odometry", few)
    assert found.verdict == "usable" and 0.1 < found.overlap < 0.25, codes(found)


def test_a_bag_of_one_gigabyte_takes_less_than_two_seconds_and_is_not_read_whole(tmp_path):
    rng, frames = np.random.default_rng(0), 330
    pixels = rng.integers(0, 256, (375, 1242, 3), np.uint8)
    with Bag(tmp_path / "big", "mcap") as bag:
        bag.transforms(START, MOUNT)
        cloud = cloud_message(sweep(0, 90000), bag.header(START, "lidar"), ROS2)
        for k in range(frames):
            t = START + 100 * MS * k
            bag.image(t, np.roll(pixels, 300 * k, axis=1), IMAGE, "cam_optical", step=3 * 1242)
            bag.info(t, INFO, k=K, fx=K[0], p=P, d=[0.0] * 5, size=(1242, 375))
            cloud.header = bag.header(t, "lidar")
            bag.write_raw(CLOUD, cloud.__msgtype__, bag.serialize(cloud, cloud.__msgtype__), t)
    (file,) = (tmp_path / "big").glob("*.mcap")
    size = file.stat().st_size
    try:
        before, start = bytes_read(), time.perf_counter()
        found = inspect(tmp_path / "big", Settings())
        seconds, read = time.perf_counter() - start, bytes_read() - before
    finally:
        file.unlink()
    assert size > 1e9 and found.pairs == frames and found.topics[0].rate_hz == pytest.approx(10.0)
    assert seconds < 2.0 and read < 0.2 * size, (seconds, read / size)


def bytes_read() -> int:
    """Bytes that this process has read from files."""
    return int(Path("/proc/self/io").read_text().split()[1])

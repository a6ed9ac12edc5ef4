# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags in several files, as rosbag2 splits them, up to the names and options of ROS 2 Lyrical."""

from pathlib import Path

import numpy as np
import pytest
from helpers.bags import (
    CLOUD,
    CLOUDS,
    FRAMES,
    IMAGE,
    IMAGES,
    LOST_DEFINITION,
    LOST_EVENT,
    MS,
    START,
    fill,
    messages,
    pose,
    written,
)
from helpers.mcap import write_mcap
from rosbags.rosbag2 import CompressionFormat, CompressionMode
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from i2p_ros.core.config import Settings
from i2p_ros.core.errors import InputError
from i2p_ros.evaluation.monitoring import monitored
from i2p_ros.sources.bag_files import bag_files, split_of
from i2p_ros.sources.bag_reader import open_reader, read_header
from i2p_ros.sources.rosbag import RosbagSource

OLD = "run_{}.mcap"
LYRICAL = "{}_run_2026_05_23-10_{:02d}_00.mcap"
SPLITS = 12


def split(number, static=False, received=None):
    """Messages of a split with one pair."""

    def filling(bag):
        stamp = START + 100 * MS * number
        if static:
            bag.transforms(stamp, ("lidar", "cam_optical", pose(1)))
        bag.info(stamp)
        bag.image(stamp, IMAGES[number % FRAMES], received=received)
        bag.cloud(stamp, CLOUDS[number % FRAMES], received=received)

    return messages(filling)


def splits(tmp_path, name=OLD, first=0, static=(0,), received=None):
    """A folder with the splits from `first` on, without metadata."""
    folder = tmp_path / "run"
    folder.mkdir()
    for number in range(first, SPLITS):
        rows = split(number, number in static, received)
        write_mcap(folder / name.format(number, number), rows, per_chunk=2)
    return folder


@pytest.mark.parametrize("name", [OLD, LYRICAL])
def test_splits_are_in_order_of_their_numbers(tmp_path, name):
    """All messages have one time of arrival, so that the order of the files decides."""
    folder = splits(tmp_path, name, received=START)
    assert [split_of(file) for file in bag_files(folder).files] == [(k, "run") for k in range(SPLITS)]
    reader, _ = open_reader(folder)
    images = [read_header(raw, True)[0] for c, _, raw in reader.messages() if c.topic == IMAGE]
    reader.close()
    assert images == [START + 100 * MS * k for k in range(SPLITS)]
    with RosbagSource(folder) as source:
        assert len(source) == SPLITS and not source.lost and source.name == f"bag {source.path.name}"


@pytest.mark.parametrize("name", [OLD, LYRICAL])
def test_a_lone_split_takes_the_static_transforms_of_the_first(tmp_path, name):
    folder = splits(tmp_path, name)
    file, first = folder / name.format(10, 10), folder / name.format(0, 0)
    with RosbagSource(file) as source:
        assert len(source) == 1 and source[0].T_camera_lidar is not None
        np.testing.assert_allclose(source[0].T_camera_lidar.matrix, pose(1).inverse().matrix, atol=1e-12)
        assert source.name == f"bag {file.name} (/tf_static is that of {first.name})"
        np.testing.assert_array_equal(source[0].pair.image, IMAGES[10 % FRAMES])
    with RosbagSource(first) as source:
        assert source[0].T_camera_lidar is not None and source.name == f"bag {source.path.name}"


@pytest.mark.parametrize(
    "suffix", [".mcap", ".mcap.zstd", ".db3", ".db3.zstd", ".bag", ".bag.active"]
)  # fmt: skip
@pytest.mark.parametrize("name", ["run.v2_3", "3_run.v2_2026_05_23-10_03_00"])
def test_a_split_of_a_bag_with_a_dot_in_its_name_has_its_number(name, suffix):
    assert split_of(Path("run.v2") / f"{name}{suffix}") == (3, "run.v2")


def test_a_lone_packed_split_takes_the_static_transforms_of_the_first(tmp_path):
    folder = written(tmp_path, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    (file,) = folder.glob("*.zstd")
    file.rename(folder / "bag_0.mcap.zstd")
    write_mcap(folder / "bag_1.mcap", split(0))
    with RosbagSource(folder / "bag_1.mcap") as source:
        assert len(source) == 1 and source[0].T_camera_lidar is not None and "bag_0.mcap.zstd" in source.name


def test_a_split_that_repeats_the_static_transforms_uses_its_own(tmp_path):
    folder = splits(tmp_path, static=range(SPLITS))
    with RosbagSource(folder / OLD.format(3)) as source:
        assert source[0].T_camera_lidar is not None and source.name == f"bag {source.path.name}"


@pytest.mark.parametrize("name", [OLD, LYRICAL])
def test_max_bag_files_has_deleted_the_static_transforms(tmp_path, name):
    folder = splits(tmp_path, name, first=4)
    for path in (folder, folder / name.format(5, 5)):
        with RosbagSource(path) as source:
            assert source[0].T_camera_lidar is None
            with pytest.raises(InputError, match=r"split 4 is the first that --max-bag-files .* has no calibration"):
                monitored(source, Settings())


@pytest.mark.parametrize("name", ["{}_run_2026_05_23-10_{:02d}_00.mcap", "run_2026_05_{1}.mcap"])
def test_static_transforms_are_not_taken_from_another_recording(tmp_path, name):
    """Two recordings of one name in a folder: split 0 may be of either."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, (own, minute) in enumerate([(0, 10), (0, 20), (1, 21)]):
        write_mcap(folder / name.format(own, minute), split(number, static=number < 2))
    with RosbagSource(folder / name.format(1, 21)) as source:
        assert source[0].T_camera_lidar is None


def test_a_renamed_folder_is_still_one_bag(tmp_path):
    folder = splits(tmp_path)
    (folder / "metadata.yaml").write_text("")
    folder = folder.rename(tmp_path / "tuesday")
    with RosbagSource(folder / OLD.format(2)) as source:
        assert source[0].T_camera_lidar is not None


def test_a_bag_without_static_transforms_and_without_splits_has_no_note(tmp_path):
    def filling(bag):
        bag.info(START)
        bag.image(START, IMAGES[0])
        bag.cloud(START, CLOUDS[0])

    with RosbagSource(write_mcap(tmp_path / "run_2026_05_23.mcap", messages(filling))) as source:
        assert source[0].T_camera_lidar is None and source.name == f"bag {source.path.name}"


@pytest.mark.parametrize(
    ("definition", "lost"), [(LOST_DEFINITION, {"bag.not_recorded": 12}), ("words", {"message.type": 2})]
)
def test_messages_that_the_recorder_has_lost_are_counted(tmp_path, definition, lost):
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(LOST_DEFINITION, LOST_EVENT))
    topic = store.types["rosbag2_interfaces/msg/MessagesLostEventTopicStat"]
    losses = [topic(CLOUD, 2, 3), topic("/not/read", 100, 100), topic(IMAGE, 0, 1)]

    def filling(bag):
        fill(bag)
        bag.definitions[LOST_EVENT] = definition, "unknown"
        for received in (START, START + 300 * MS):
            raw = bytes(store.serialize_cdr(store.types[LOST_EVENT]("/rosbag2_recorder", losses), LOST_EVENT))
            bag.write_raw("/events/rosbag2_messages_lost", LOST_EVENT, raw, received)

    with RosbagSource(written(tmp_path, "mcap", filling)) as source:
        assert len(source) == FRAMES and source.lost == lost

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A topic that nobody reads does not close a bag, whatever its type, definition and encoding are."""

import sqlite3

import numpy as np
import pytest
from helpers.bags import CLOUDS, FRAMES, IMAGE, IMAGES, ROS1, START, fill, messages, written
from helpers.mcap import write_mcap

from i2p_ros.core.errors import InputError
from i2p_ros.sources.chunked_file import BagConnection
from i2p_ros.sources.message_types import MessageTypes
from i2p_ros.sources.rosbag import RosbagSource

SERVICE = "int64 a\nint64 b\n---\nint64 sum\n"
EQUALS = "=" * 80 + "\n"
IDL = EQUALS + "IDL: a_msgs/msg/Foo\nmodule a_msgs {{ module msg {{ {} }}; }};\n"
GRID = IDL.format("struct Foo { long grid[2][3]; };")
UNION = IDL.format("union Foo switch (long) { case 1: long a; };")


def check(path):
    with RosbagSource(path) as source:
        assert len(source) == FRAMES and not source.lost
        np.testing.assert_array_equal(source[2].pair.image, IMAGES[2])
        np.testing.assert_array_equal(source[2].pair.cloud.xyz, CLOUDS[2, :, :3])
        assert source[2].T_camera_lidar is not None


@pytest.mark.parametrize(
    "foreign",
    [
        ("example_interfaces/srv/AddTwoInts_Event", "ros2msg", SERVICE, "cdr", b"\0\1\0\0"),
        ("Note", "jsonschema", "{}", "json", b"{}"),
        ("foxglove.Log", "protobuf", b"\x0a\x01\xff", "protobuf", b"\x08\1"),
        ("a_msgs/msg/Foo", "ros2idl", GRID, "cdr", b"\0\1\0\0"),
        ("a_msgs/msg/Foo", "ros2idl", UNION, "cdr", b"\0\1\0\0"),
        ("a_msgs/msg/Foo", "", "", "cdr", b"\0\1\0\0"),
        ("a_msgs/msg/Foo", "of next year", "", "cdr", b"\0\1\0\0"),
    ],
    ids=["service event", "json", "protobuf", "idl array", "idl union", "no definition", "unknown schema"],
)
def test_a_foreign_topic_in_mcap(tmp_path, foreign):
    check(write_mcap(tmp_path / "bag.mcap", messages(), foreign=foreign))


@pytest.mark.parametrize("profile", ["", "ros1", "another"])
def test_an_mcap_of_another_profile(tmp_path, profile):
    check(write_mcap(tmp_path / "bag.mcap", messages(), profile=profile))


@pytest.mark.parametrize("encoding", ["ros2msg", "ros2idl", "", "unknown"])
def test_a_foreign_topic_in_sqlite3(tmp_path, encoding):
    path = written(tmp_path, "sqlite3")
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        row = "(NULL, 'a_srvs/srv/X_Event', ?, ?, '')"
        database.execute(f"INSERT INTO message_definitions VALUES {row}", (encoding, SERVICE))
        database.execute("INSERT INTO topics VALUES (77, '/other', 'a_srvs/srv/X_Event', 'cdr', '', '')")
        database.execute("INSERT INTO topics VALUES (78, '/json', 'Note', 'json', '', '')")
        database.execute("INSERT INTO messages VALUES (NULL, 77, ?, X'00010000')", (START,))
    database.close()
    check(path)
    (path / "metadata.yaml").unlink()
    check(path)


@pytest.mark.parametrize(
    ("text", "checksum"),
    [
        ("protobuf", "0" * 32), ("Vector3 linear\n", "0" * 32), ("Definition of foo_msgs/X", "0" * 32),
        ("string G=\nuint8 b\n", "0" * 32), ("uint8 b\r\nuint8 c\r\n", "0" * 32), ("uint8 b\n", "*"),
    ],
    ids=["protobuf", "missing type", "words", "empty constant", "cr lf", "md5 *"],
)  # fmt: skip
def test_a_foreign_topic_in_ros1(tmp_path, text, checksum):
    def filling(bag):
        fill(bag)
        bag.definitions["foo_msgs/msg/X"] = text, checksum
        bag.write_raw("/other", "foo_msgs/msg/X", b"x", START)

    check(written(tmp_path, "ros1", filling))


IMAGE_TYPE = "sensor_msgs/msg/Image"
OWN = ROS1.generate_msgdef(IMAGE_TYPE)[0]


@pytest.mark.parametrize(
    ("text", "checksum"),
    [
        (OWN.replace("\n", "\r\n"), "0" * 32), (f"string NONE=\n{OWN}", "*"), (OWN.split("====")[0], "*"),
        ("protobuf", "0" * 32),
    ],
    ids=["cr lf", "empty constant", "missing header", "words"],
)  # fmt: skip
def test_a_topic_that_is_read_may_have_an_odd_definition_in_ros1(tmp_path, text, checksum):
    def filling(bag):
        bag.definitions[IMAGE_TYPE] = text, checksum
        fill(bag)

    check(written(tmp_path, "ros1", filling))


def test_a_type_without_any_definition_is_named(tmp_path):
    def filling(bag):
        bag.definitions["sensor_msgs/msg/Image"] = "a_msgs/Missing x\n", "unknown"
        fill(bag)

    with RosbagSource(written(tmp_path, "mcap", filling)) as source, pytest.raises(InputError) as caught:
        source[0]
    assert "no valid definition of a_msgs/msg/Missing, which sensor_msgs/msg/Image has a field of" in str(caught.value)
    assert caught.value.reason == "message.type" and "recover" not in str(caught.value)


def test_images_in_json_are_no_images(tmp_path):
    rows = [row for row in messages() if row[0] != IMAGE]
    foreign = ("sensor_msgs/msg/Image", "jsonschema", "{}", "json", b"{}")
    with pytest.raises(InputError, match=r"it has .*/other \(sensor_msgs/msg/Image as json\)") as caught:
        RosbagSource(write_mcap(tmp_path / "bag.mcap", rows, foreign=foreign))
    assert caught.value.reason == "bag.topics"


def test_an_mcap_of_ros1_messages(tmp_path):
    """As `mcap convert bag.bag` writes it: profile ros1, schemas ros1msg, messages ros1."""
    rows = messages(kind="ros1")
    check(write_mcap(tmp_path / "bag.mcap", rows, profile="ros1", ros1=True))


def test_two_types_may_have_different_fields_of_one_name():
    """As in a bag that was merged of recordings with two versions of a package."""
    inner = "=" * 80 + "\nMSG: b_msgs/X\n{} value\n"
    topics = [
        BagConnection("/a", "a_msgs/msg/A", 1, ("msg", "b_msgs/X x\n" + inner.format("uint8"))),
        BagConnection("/c", "c_msgs/msg/C", 1, ("msg", "b_msgs/X x\n" + inner.format("uint16"))),
    ]
    types = MessageTypes(topics, is_ros1=False)
    assert types.deserialize(b"\0\1\0\0\7", "a_msgs/msg/A").x.value == 7
    assert types.deserialize(b"\0\1\0\0\7\1", "c_msgs/msg/C").x.value == 263

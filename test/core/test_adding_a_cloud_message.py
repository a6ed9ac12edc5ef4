# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A type of cloud message is added by one file and one row: then bags and nodes read it."""

import numpy as np
import pytest
from helpers import ROOT
from helpers.bags import CLOUDS, FRAMES, IMAGES, START, Bag, stamps
from helpers.toy_cloud import toy_cloud_from_message
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from i2p_ros.core.errors import InputError, MissingPackageError, SettingsError
from i2p_ros.core.messages import CLOUD_MESSAGES, POINT_CLOUD2
from i2p_ros.sources.rosbag import RosbagSource

OWN_FILE = "test/helpers/toy_cloud.py"  # its decoder
TOUCHED = {  # file -> its table and the row that is added
    "i2p_ros/core/messages/decoders.py": (CLOUD_MESSAGES, toy_cloud_from_message),
}
SWEEP = "toy_msgs/msg/Sweep"
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg("std_msgs/Header header\ngeometry_msgs/Point32[] points", SWEEP))


def test_at_most_two_files_are_touched_beside_its_own():
    assert len(TOUCHED) <= 2 and all((ROOT / file).is_file() for file in (OWN_FILE, *TOUCHED))
    for table, row in TOUCHED.values():
        assert POINT_CLOUD2 in table
        assert (ROOT / "test" / row.__module__.replace(".", "/")).with_suffix(".py") == ROOT / OWN_FILE


def add(monkeypatch, name=SWEEP):
    for table, row in TOUCHED.values():
        monkeypatch.setitem(table, name, row)


@pytest.fixture
def bag(tmp_path):
    with Bag(tmp_path / "bag", "mcap") as bag:
        bag.store = STORE
        bag.info(START)
        for i, stamp in enumerate(stamps()):
            bag.image(stamp, IMAGES[i])
            points = [bag.make("geometry_msgs/msg/Point32", *map(float, xyz)) for xyz in CLOUDS[i, :, :3]]
            bag.write("/sweep", SWEEP, bag.header(stamp, "lidar"), points, received=stamp)
    return tmp_path / "bag"


def test_a_bag_is_read(bag, monkeypatch):
    with pytest.raises(
        InputError, match=f"no cloud topic of type sensor_msgs/msg/PointCloud2 .*; it has .* /sweep .{SWEEP}"
    ):
        RosbagSource(bag)
    add(monkeypatch)
    with RosbagSource(bag) as source:
        assert len(source) == FRAMES and source.topics.cloud == "/sweep" and not source.lost
        for sample, expected in zip(source, CLOUDS, strict=True):
            np.testing.assert_array_equal(sample.pair.cloud.xyz, expected[:, :3])


def test_a_node_reads_it(ros_context, monkeypatch):
    """sensor_msgs/PointCloud stands for the type, since a node can only subscribe to a type that is installed."""
    graph = pytest.importorskip("helpers.graph", reason="needs ROS 2 (pip install .[ros], python pip_ros/install.py)")
    messages = pytest.importorskip("sensor_msgs.msg")
    points = pytest.importorskip("geometry_msgs.msg")
    name = "sensor_msgs/msg/PointCloud"
    add(monkeypatch, name)
    monkeypatch.setattr(graph, "PointCloud2", messages.PointCloud)
    xyz = graph.sample().pair.cloud.xyz
    for built in graph.made(ros_context):
        known = graph.KnownLocalizer()
        node = built(known, node__cloud_type=name)
        parts = node.messages()
        listed = [points.Point32(x=float(x), y=float(y), z=float(z)) for x, y, z in xyz]
        parts["points"] = messages.PointCloud(header=parts["points"].header, points=listed)
        assert node.play(parts)["status"] == "ok"
        np.testing.assert_array_equal(known.pairs[0].cloud.xyz, xyz)


def test_a_type_that_is_unknown_or_not_installed_is_refused(monkeypatch):
    pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
    cloud_class = pytest.importorskip("i2p_ros.ros.messages").cloud_class
    with pytest.raises(SettingsError, match=f"no decoder for '{SWEEP}'; there are sensor_msgs/msg/PointCloud2"):
        cloud_class(SWEEP)
    add(monkeypatch)
    with pytest.raises(MissingPackageError, match="install the ROS package toy_msgs"):
        cloud_class(SWEEP)

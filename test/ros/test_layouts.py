# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layouts for RViz and Foxglove against the topics that the real nodes publish: names, types, fields, qualities.

Neither program is opened here.
"""

import contextlib
import importlib
import json
import threading
import time

import pytest
import yaml
from helpers import ROOT

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.graph import KnownLocalizer
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from i2p_ros.core.config import ReplaySettings
from i2p_ros.ros.nodes.localizer_node import LocalizerNode
from i2p_ros.ros.replay.player import Player
from i2p_ros.writers.bag import LIDAR

RVIZ = yaml.safe_load((ROOT / "config" / "i2p_ros.rviz").read_text())["Visualization Manager"]
FOXGLOVE = json.loads((ROOT / "config" / "foxglove.json").read_text())["configById"]
SHOWN_BY = {  # display of RViz -> type of its message
    "PointCloud2": "sensor_msgs/msg/PointCloud2",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "Pose": "geometry_msgs/msg/PoseStamped",
    "PoseWithCovariance": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "Image": "sensor_msgs/msg/Image",
}
IN_3D = {SHOWN_BY[name] for name in SHOWN_BY if name != "Image"}
IMAGES = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"


@pytest.fixture
def topics(ros_context):
    """Type and publishers of each topic that the localizer and the player of recordings publish."""
    node = LocalizerNode(lambda settings: KnownLocalizer(), context=ros_context, use_global_arguments=False)
    player = Player(ReplaySettings(), context=ros_context)

    def spin():
        with contextlib.suppress(ExternalShutdownException):
            node.run()

    thread = threading.Thread(target=spin)
    thread.start()
    end = time.monotonic() + 20.0
    while not player.connected and time.monotonic() < end:
        player.spin(0.1)
    found = {}
    for name, (kind, *_) in player.get_topic_names_and_types():
        if publishers := player.get_publishers_info_by_topic(name):
            found[name] = kind, [publisher.qos_profile for publisher in publishers]
    yield found
    ros_context.try_shutdown()
    thread.join(5.0)
    player.destroy_node()
    node.destroy_node()


def test_rviz_shows_topics_of_the_nodes_by_their_types_and_qualities(topics):
    shown = [display for display in RVIZ["Displays"] if "Topic" in display]
    assert len(shown) == 7
    for display in shown:
        asked, kind = display["Topic"], SHOWN_BY[display["Class"].removeprefix("rviz_default_plugins/")]
        if asked["Value"].endswith("/compressed"):  # image_transport takes the transport from the name
            kind = "sensor_msgs/msg/CompressedImage"
        published, qualities = topics[asked["Value"]]
        assert published == kind, display["Name"]
        for quality in qualities:  # else DDS does not connect them
            assert asked["Reliability Policy"] == "Best Effort" or quality.reliability == ReliabilityPolicy.RELIABLE
            assert asked["Durability Policy"] == "Volatile" or quality.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert {"/tf", "/tf_static"} <= topics.keys()
    assert RVIZ["Global Options"]["Fixed Frame"] == LIDAR


def test_foxglove_shows_topics_of_the_nodes_by_their_types(topics):
    (scene,) = (panel for name, panel in FOXGLOVE.items() if name.startswith("3D!"))
    assert scene["followTf"] == LIDAR and len(scene["topics"]) >= 4
    assert {topics[name][0] for name in scene["topics"]} <= IN_3D
    images = [panel["imageMode"] for name, panel in FOXGLOVE.items() if name.startswith("Image!")]
    assert len(images) == 2 and {topics[image["imageTopic"]][0] for image in images} <= IMAGES
    calibrations = [image["calibrationTopic"] for image in images if "calibrationTopic" in image]
    assert [topics[name][0] for name in calibrations] == ["sensor_msgs/msg/CameraInfo"]
    states = [panel["topicToRender"] for name, panel in FOXGLOVE.items() if name.startswith("Diagnostic")]
    assert states and {topics[name][0] for name in states} == {DIAGNOSTICS}


def message_class(kind):
    """Of pkg/msg/Name."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def test_the_plots_of_foxglove_are_of_numbers_in_the_messages(topics):
    paths = [path["value"] for name, panel in FOXGLOVE.items() if name.startswith("Plot!") for path in panel["paths"]]
    assert len(paths) == 3
    for path in paths:
        topic, *fields = path.split(".")
        kind = topics[topic][0]
        for field in fields:
            kind = message_class(kind).get_fields_and_field_types()[field].replace("/", "/msg/")
        assert kind == "double", path

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which matrix of a CameraInfo a running node takes."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.faults import last
from helpers.graph import CAMERA, made
from rclpy.node import Node

from i2p_ros.core.config import NodeSettings, Settings
from i2p_ros.ros import messages
from i2p_ros.ros.nodes.health import Health
from i2p_ros.ros.nodes.inputs import Inputs

P = [80.0, 0.0, CAMERA.cx, 0.0, 0.0, 80.0, CAMERA.cy, 0.0, 0.0, 0.0, 1.0, 0.0]


@pytest.fixture
def make(ros_context):
    """Graphs that are taken down afterwards."""
    yield from made(ros_context)


def played(graph, index=0, **fields):
    """The camera of a pair whose CameraInfo has these fields, and the answer."""
    parts = graph.messages(index)
    for name, value in fields.items():
        setattr(parts["info"], name, value)
    answer = graph.play(parts)
    return graph.localizer.pairs[-1].camera if graph.localizer.pairs else None, answer


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("/cam/image_rect", "P of a rectified image"),
        ("/zed/rgb/color/rect/image", "P of a rectified image"),
        ("/cam/image_raw", "K and D"),
        ("/cam/direct", "K and D"),
        ("/cam/image_unrectified", "K and D"),
        ("/cam/image_corrected", "K and D"),
    ],
)
def test_only_a_whole_word_of_a_live_topic_drops_the_lens(ros_context, topic, source):
    remap = ["--ros-args", "-r", f"image:={topic}"]
    node = Node("probe", context=ros_context, cli_args=remap, use_global_arguments=False)
    inputs = Inputs(node, Settings(), "", "", None, Health(NodeSettings()), print, print)
    try:
        assert inputs.values["calibration"] == f"/camera_info, {source}"
    finally:
        inputs.close()
        node.destroy_node()


def test_a_live_camera_info_with_only_p_is_of_rectified_images(make):
    graph = make(node__diagnostics_s=0.1)
    camera, answer = played(graph, k=np.zeros(9), d=[], p=P)
    assert answer["status"] == "ok" and (camera.fx, camera.distortion) == (80.0, ())
    assert graph.until(lambda: "P of a rectified image (K and D are not set)" in last(graph, "calibration"))


def test_a_live_camera_info_without_size_and_stamp_is_taken(make):
    graph = make()
    parts = graph.messages()
    parts["info"].width = parts["info"].height = 0
    parts["info"].header = messages.header(0, "camera")
    assert graph.play(parts)["status"] == "ok" and graph.localizer.pairs[-1].camera == CAMERA


def test_live_matrices_of_two_cameras_are_told_once(make, capfd):
    graph = make()
    doubled = [2 * v for v in P[:8]] + P[8:]
    for index in range(2):
        camera, answer = played(graph, index, p=doubled)
        assert answer["status"] == "ok" and camera == CAMERA
    assert capfd.readouterr().err.count("K and P of camera_info are of different cameras") == 1


def test_a_live_refusal_says_what_is_wrong(make):
    _, answer = played(make(), k=np.eye(3).ravel(), p=np.zeros(12))
    assert answer["reason"] == "camera_info.uncalibrated" and "is not calibrated" in answer["text"]

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look-ups in tf after loops, second parents and jumps of time, over real topics."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (pip install .[ros])")
pytest.importorskip("tf2_msgs", reason="needs tf2_msgs (python pip_ros/install.py)")

from helpers.graph import START, T_CAMERA_LIDAR, Spun
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from i2p_ros.core.errors import InputError
from i2p_ros.ros.nodes import tf_listener
from i2p_ros.ros.nodes.tf_listener import TfListener

STEP = 10**8  # ns


class Listening(Spun):
    """A node with a TfListener, which waits for nothing, and somebody who sends transforms."""

    def __init__(self, context):
        super().__init__()
        self.node = Node("listener", context=context, use_global_arguments=False)
        self.tester = Node("tester", context=context, use_global_arguments=False)
        self.tf = TfListener(self.node, timeout_s=0.0)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.tester.destroy_node()


@pytest.fixture
def listening(ros_context):
    rig = Listening(ros_context)
    yield rig
    rig.close()


def test_row_60_a_loop_that_nobody_sends_any_more_is_forgotten(listening, monkeypatch):
    monkeypatch.setattr(tf_listener, "PARENT_S", 0.5)
    listening.tell(("camera", "lidar", START), static=True)
    listening.tell(("odom", "base", START), ("base", "odom", START))
    with pytest.raises(InputError, match="loop"):
        listening.tf.lookup("odom", "base", START)
    for k in range(8):
        listening.tell(("odom", "base", START + k * STEP))
    with pytest.raises(InputError, match="loop"):
        listening.tf.lookup("odom", "base", START)
    listening.tell(("odom", "base", START), ("odom", "base", START + STEP))
    assert listening.tf.lookup("odom", "base", START)
    assert listening.tf.lookup("camera", "lidar", START)


def test_row_60_time_may_jump_back_while_a_fixed_frame_has_two_parents(listening):
    listening.tell(("mast", "camera", START), ("camera", "lidar", START), static=True)
    listening.tell(("roof", "camera", START), static=True)
    for stamp in (START + 100 * 10**9, START):
        listening.tell(("odom", "base", stamp))
    for target, source in (("camera", "lidar"), ("odom", "base")):
        found = listening.tf.lookup(target, source, START)
        np.testing.assert_allclose(found.matrix, T_CAMERA_LIDAR.matrix, atol=1e-9)


def test_a_moving_frame_does_not_stand_still_after_a_jump(listening):
    listening.tell(("odom", "camera", START), ("odom", "base", START + 100 * 10**9))
    listening.tell(("mast", "camera", START), static=True)
    listening.tell(("odom", "base", START))
    with pytest.raises(InputError, match="camera"):
        listening.tf.lookup("odom", "camera", START)

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs and transforms for tests of faults in a running node, and what its diagnostics say."""

from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from helpers.graph import T_CAMERA_LIDAR, estimate, values
from i2p_ros.core.geometry import Pose
from i2p_ros.ros import messages

STEP = 10**8  # ns, between pairs
T_BASE_CAMERA = Pose.from_rotvec([0.3, -0.1, 0.8], [1.5, 0.0, 1.2])


def shifted(graph, index, stamp):
    """A pair under another stamp."""
    parts = graph.messages(index)
    for part in parts.values():
        part.header.stamp = messages.time_message(stamp)
    return parts


def dropped(graph):
    """Counts of the last diagnostics."""
    found = values(graph.heard["/diagnostics"][-1]) if graph.heard["/diagnostics"] else {}
    return {key.removeprefix("dropped."): int(value) for key, value in found.items() if key.startswith("dropped.")}


def transforms(*links):
    """A TFMessage of (parent, child, pose, stamp)."""
    return TFMessage(
        transforms=[messages.transform_stamped(p, messages.header(t, parent), child) for parent, child, p, t in links]
    )


def tf_publisher(graph, static=False):
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = graph.tester.create_publisher(TFMessage, "/tf_static" if static else "/tf", latched if static else 100)
    assert graph.until(publisher.get_subscription_count)
    return publisher


def elsewhere(pair):
    """A pose that no gate lets pass."""
    return estimate(Pose.exp([0, 0, 60, 0, 1, 0]) @ T_CAMERA_LIDAR)


def last(graph, key):
    return values(graph.heard["/diagnostics"][-1]).get(key) if graph.heard["/diagnostics"] else None

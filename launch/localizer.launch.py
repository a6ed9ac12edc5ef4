# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The localizer on the topics of a robot: ros2 launch i2p_ros localizer.launch.py.

Topics that are not named, as by image:=/camera/image_rect, are found by type, frame, size and rate.
"""

from launch import LaunchDescription

from i2p_ros.ros.launching import (
    FIND_TOPICS,
    MODEL,
    ROBOT,
    PackageNode,
    ParameterArgument,
    launch_description,
    params_file,
)

ARGUMENTS = {**params_file("localizer.yaml"), "rviz": ("false", "show the view of this package")}
PARAMETERS = {
    **MODEL,
    **ROBOT,
    "prior": ParameterArgument("tracking.prior", str, "none, constant_velocity, odometry or tf; default: none"),
    "tf_mode": ParameterArgument(
        "node.tf_mode", str, "none, estimate or map_to_odom; default: estimate, <camera frame>_estimated"
    ),
    "base_frame": ParameterArgument("node.base_frame", str, "frame whose pose is published; default: the camera's"),
}
LOCALIZER = PackageNode(
    "localizer", {**PARAMETERS, **FIND_TOPICS}, fixed={"node.find_topics": True}, namespace=True, topics=True
)


def generate_launch_description() -> LaunchDescription:
    """The localizer, and rviz2 with rviz:=true."""
    return launch_description([LOCALIZER], ARGUMENTS)

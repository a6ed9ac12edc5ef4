# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration monitoring on the topics of a robot: ros2 launch i2p_ros monitor.launch.py.

Topics that are not named, as by image:=/camera/image, are found by type, frame, size and rate.
"""

from launch import LaunchDescription

from i2p_ros.ros.launching import FIND_TOPICS, ROBOT, PackageNode, ParameterArgument, launch_description, params_file

ARGUMENTS = params_file("drift_monitor.yaml")
PARAMETERS = {
    "nominal": ParameterArgument("monitor.nominal", str, "nominal calibration, a URDF or YAML file; default: tf"),
    "vehicle": ParameterArgument("monitor.vehicle", str, "name of the vehicle in the history; default: vehicle"),
    "history": ParameterArgument("monitor.history", str, "SQLite file of estimates and verdicts; default: none"),
    **ROBOT,
}
DRIFT_MONITOR = PackageNode(
    "drift_monitor", {**PARAMETERS, **FIND_TOPICS}, fixed={"node.find_topics": True}, namespace=True, topics=True
)


def generate_launch_description() -> LaunchDescription:
    """The drift monitor."""
    return launch_description([DRIFT_MONITOR], ARGUMENTS)

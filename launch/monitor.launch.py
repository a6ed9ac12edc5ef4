# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration monitoring on the topics of a robot: ros2 launch i2p_ros monitor.launch.py image:=/camera/image ..."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("i2p_ros")
PARAMS_FILE = PathJoinSubstitution([SHARE, "config", "drift_monitor.yaml"])
ARGUMENTS = {
    "namespace": ("", "namespace of the node"),
    "params_file": (PARAMS_FILE, "YAML file with the node's parameters"),
    "image": ("image", "topic of the images; compressed ones are looked for at <image>/compressed"),
    "camera_info": ("camera_info", "topic of the calibration of these images"),
    "points": ("points", "topic of the lidar clouds"),
    "log_level": ("info", "debug, info, warn or error"),
}
PARAMETERS = {  # launch arguments that set a parameter of the node where they are given: its name, its type
    "nominal": ("monitor.nominal", str, "nominal calibration, a URDF or YAML file; default: tf"),
    "vehicle": ("monitor.vehicle", str, "name of the vehicle in the history; default: vehicle"),
    "history": ("monitor.history", str, "SQLite file that findings are kept in; default: none"),
    "image_transport": ("node.image_transport", str, "raw or compressed; default: raw"),
    "autostart": ("node.autostart", bool, "false: somebody else configures and activates the node; default: true"),
    "odom_frame": ("node.odom_frame", str, "frame of the odometry, for the gates of speed; default: odom"),
    "use_sim_time": ("use_sim_time", bool, "follow /clock; default: false"),
}


def drift_monitor(context: LaunchContext) -> list:
    """The node, its parameters from the file and from what was given."""
    given = {
        parameter: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (parameter, kind, _) in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        Node(
            package="i2p_ros",
            executable="drift_monitor",
            name="drift_monitor",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[LaunchConfiguration("params_file"), given],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in ("image", "camera_info", "points")],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """The node alone."""
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    arguments = {**ARGUMENTS, **{name: ("", text) for name, (_, _, text) in PARAMETERS.items()}}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=t) for name, (d, t) in arguments.items()),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profiles),
            ),
            OpaqueFunction(function=drift_monitor),
        ]
    )

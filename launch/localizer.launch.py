# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The localizer on the topics of a robot: ros2 launch i2p_ros localizer.launch.py image:=/camera/image_rect ..."""

import shutil

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("i2p_ros")
ARGUMENTS = {
    "namespace": ("", "namespace of the node"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "localizer.yaml"]), "YAML file with the node's parameters"),
    "image": ("image", "topic of the images; compressed ones are looked for at <image>/compressed"),
    "camera_info": ("camera_info", "topic of the calibration of these images"),
    "points": ("points", "topic of the lidar clouds"),
    "rviz": ("false", "show the shipped view"),
    "log_level": ("info", "debug, info, warn or error"),
}
PARAMETERS = {  # launch arguments that set a parameter of the node where they are given: its name, its type
    "model": ("model", str, "name of a model, or a folder that `i2p train` wrote; default: vp2p-small"),
    "device": ("device", str, "auto, cpu or cuda; default: auto"),
    "image_transport": ("node.image_transport", str, "raw or compressed; default: raw"),
    "autostart": ("node.autostart", bool, "false: somebody else configures and activates the node; default: true"),
    "prior": (
        "tracking.prior",
        str,
        "a pair's prediction: constant_velocity, odometry or tf; default: none",
    ),
    "tf_mode": ("node.tf_mode", str, "none or map_to_odom; default: estimate, <camera frame>_estimated"),
    "base_frame": ("node.base_frame", str, "frame whose pose is published, known to tf; default: the camera's"),
    "odom_frame": ("node.odom_frame", str, "frame of the odometry; default: odom"),
    "use_sim_time": ("use_sim_time", bool, "follow /clock; default: false"),
}


def rviz(context: LaunchContext) -> list:
    """The view, or a line that says why there is none."""
    if shutil.which("rviz2") is None:
        return [LogInfo(msg="rviz2 is not installed: no view (apt install ros-$ROS_DISTRO-rviz2)")]
    view = PathJoinSubstitution([SHARE, "config", "i2p_ros.rviz"])
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view], output="log")]


def localizer(context: LaunchContext) -> list:
    """The node, its parameters from the file and from what was given."""
    given = {
        parameter: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (parameter, kind, _) in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        Node(
            package="i2p_ros",
            executable="localizer",
            name="localizer",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[LaunchConfiguration("params_file"), given],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in ("image", "camera_info", "points")],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """The localizer, and rviz if asked for."""
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    arguments = {**ARGUMENTS, **{name: ("", text) for name, (_, _, text) in PARAMETERS.items()}}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=t) for name, (d, t) in arguments.items()),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profiles),
            ),
            OpaqueFunction(function=localizer),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )

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
    "image_transport": ("raw", "raw or compressed"),
    "model": ("vp2p-small", "name of a model, or a folder that `i2p train` wrote"),
    "device": ("auto", "auto, cpu or cuda"),
    "use_sim_time": ("false", "follow /clock"),
    "rviz": ("false", "show the shipped view"),
    "log_level": ("info", "debug, info, warn or error"),
}


def text(name: str) -> ParameterValue:
    """A launch argument as a string parameter, also when it looks like a number."""
    return ParameterValue(LaunchConfiguration(name), value_type=str)


def rviz(context: LaunchContext) -> list:
    """The view, or a line that says why there is none."""
    if shutil.which("rviz2") is None:
        return [LogInfo(msg="rviz2 is not installed: no view (apt install ros-$ROS_DISTRO-rviz2)")]
    view = PathJoinSubstitution([SHARE, "config", "i2p_ros.rviz"])
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view], output="log")]


def generate_launch_description() -> LaunchDescription:
    """The localizer, and rviz if asked for."""
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    localizer = Node(
        package="i2p_ros",
        executable="localizer",
        name="localizer",
        namespace=LaunchConfiguration("namespace"),
        output="screen",
        parameters=[
            LaunchConfiguration("params_file"),
            {
                "model": text("model"),
                "device": text("device"),
                "node.image_transport": text("image_transport"),
                "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
            },
        ],
        remappings=[(topic, LaunchConfiguration(topic)) for topic in ("image", "camera_info", "points")],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=t) for name, (d, t) in ARGUMENTS.items()),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profiles),
            ),
            localizer,
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )

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
    "autostart": ("true", "configure and activate at once; false: somebody manages the node's lifecycle"),
    "prior": ("none", "what pairs are expected to say: none, constant_velocity, odometry or tf"),
    "tf_mode": ("estimate", "what goes to tf: none, estimate (<camera frame>_estimated) or map_to_odom"),
    "base_frame": ("", "frame whose pose is published, known to tf; empty: the camera's"),
    "odom_frame": ("odom", "frame of the odometry"),
    "use_sim_time": ("false", "follow /clock"),
    "rviz": ("false", "show the shipped view"),
    "log_level": ("info", "debug, info, warn or error"),
}


PARAMETERS = {  # launch argument: name and type of the node's parameter
    "model": ("model", str),
    "device": ("device", str),
    "image_transport": ("node.image_transport", str),
    "autostart": ("node.autostart", bool),
    "prior": ("tracking.prior", str),
    "tf_mode": ("node.tf_mode", str),
    "base_frame": ("node.base_frame", str),
    "odom_frame": ("node.odom_frame", str),
    "use_sim_time": ("use_sim_time", bool),
}


def parameter(name: str, kind: type) -> ParameterValue:
    """A launch argument as a parameter of a type, also when it looks like another."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


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
            {given: parameter(name, kind) for name, (given, kind) in PARAMETERS.items()},
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

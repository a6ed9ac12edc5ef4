# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording, played into the localizer: ros2 launch i2p_ros kitti_replay.launch.py data:=/path/to/kitti drive:=0052.

Without data it plays a synthetic drive. It ends with the recording, and with a summary.
"""

import shutil

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("i2p_ros")
ARGUMENTS = {
    "data": ("", "KITTI folder (raw, odometry or object layout) or bag; empty: a synthetic drive"),
    "drive": ("", "drive or sequence of a KITTI folder, such as 0052 or 04; empty: all"),
    "camera": ("image_02", "camera of a KITTI folder"),
    "rate": ("1.0", "speed; 1 is real time, 0 as fast as the localizer answers"),
    "loop": ("false", "start again at the end"),
    "limit": ("0", "most pairs; 0: all"),
    "perturb": ("none", "frame that clouds are given in: none (the lidar's), vp2p or sixdof (random)"),
    "seed": ("0", "seed of the random frames and of the synthetic drive"),
    "image_transport": ("raw", "raw or compressed"),
    "model": ("vp2p-small", "name of a model, or a folder that `i2p train` wrote"),
    "device": ("auto", "auto, cpu or cuda"),
    "params_file": (PathJoinSubstitution([SHARE, "config", "localizer.yaml"]), "YAML file with both nodes' parameters"),
    "rviz": ("true", "show the shipped view, where rviz2 is installed"),
    "log_level": ("info", "debug, info, warn or error"),
}
OF_REPLAY = {
    "data": str,
    "drive": str,
    "camera": str,
    "rate": float,
    "loop": bool,
    "limit": int,
    "perturb": str,
    "seed": int,
    "image_transport": str,
}


def argument(name: str, kind: type = str) -> ParameterValue:
    """A launch argument as a parameter of a type."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def rviz(context: LaunchContext) -> list:
    """The view, or a line that says why there is none."""
    if shutil.which("rviz2") is None:
        return [LogInfo(msg="rviz2 is not installed: no view (apt install ros-$ROS_DISTRO-rviz2)")]
    view = PathJoinSubstitution([SHARE, "config", "i2p_ros.rviz"])
    parameters = [{"use_sim_time": True}]
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view], parameters=parameters, output="log")]


def node(executable: str, parameters: dict) -> Node:
    """One of the two nodes."""
    return Node(
        package="i2p_ros",
        executable=executable,
        name=executable,
        output="screen",
        parameters=[LaunchConfiguration("params_file"), parameters],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )


def generate_launch_description() -> LaunchDescription:
    """Player, localizer and rviz; the end of either node ends all."""
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    replay = node("replay", {f"replay.{name}": argument(name, kind) for name, kind in OF_REPLAY.items()})
    localizer = node(
        "localizer",
        {
            "model": argument("model"),
            "device": argument("device"),
            "node.image_transport": argument("image_transport"),
            "use_sim_time": True,
        },
    )
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=t) for name, (d, t) in ARGUMENTS.items()),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profiles),
            ),
            localizer,
            replay,
            RegisterEventHandler(OnProcessExit(target_action=replay, on_exit=[Shutdown(reason="the replay ended")])),
            RegisterEventHandler(
                OnProcessExit(target_action=localizer, on_exit=[Shutdown(reason="the localizer ended")])
            ),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )

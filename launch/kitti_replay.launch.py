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
    "params_file": (PathJoinSubstitution([SHARE, "config", "localizer.yaml"]), "YAML file with both nodes' parameters"),
    "rviz": ("true", "show the shipped view, where rviz2 is installed"),
    "log_level": ("info", "debug, info, warn or error"),
}
OF_REPLAY = {  # launch arguments that set a parameter where they are given: its name, its type
    "data": ("replay.data", str, "KITTI folder (raw, odometry or object layout) or bag; default: a synthetic drive"),
    "drive": ("replay.drive", str, "drive or sequence of a KITTI folder, such as 0052 or 04; default: all"),
    "camera": ("replay.camera", str, "camera of a KITTI folder; default: image_02"),
    "rate": ("replay.rate", float, "speed; 0: as fast as the localizer answers; default: 1.0, real time"),
    "loop": ("replay.loop", bool, "start again at the end; default: false"),
    "limit": ("replay.limit", int, "most pairs; default: 0, all"),
    "perturb": ("replay.perturb", str, "frame of the clouds, vp2p or sixdof (random); default: none, the lidar's"),
    "seed": ("replay.seed", int, "seed of the random frames and of the synthetic drive; default: 0"),
    "image_transport": ("replay.image_transport", str, "raw or compressed; default: raw"),
}
OF_LOCALIZER = {
    "image_transport": ("node.image_transport", *OF_REPLAY["image_transport"][1:]),
    "model": ("model", str, "name of a model, or a folder that `i2p train` wrote; default: vp2p-small"),
    "device": ("device", str, "auto, cpu or cuda; default: auto"),
}


def rviz(context: LaunchContext) -> list:
    """The view, or a line that says why there is none."""
    if shutil.which("rviz2") is None:
        return [LogInfo(msg="rviz2 is not installed: no view (apt install ros-$ROS_DISTRO-rviz2)")]
    view = PathJoinSubstitution([SHARE, "config", "i2p_ros.rviz"])
    parameters = [{"use_sim_time": True}]
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view], parameters=parameters, output="log")]


def node(context: LaunchContext, executable: str, parameters: dict) -> Node:
    """One of the two nodes, its parameters from the file and from what was given."""
    given = {
        parameter: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (parameter, kind, _) in parameters.items()
        if LaunchConfiguration(name).perform(context)
    }
    return Node(
        package="i2p_ros",
        executable=executable,
        name=executable,
        output="screen",
        parameters=[LaunchConfiguration("params_file"), {"use_sim_time": executable == "localizer", **given}],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )


def nodes(context: LaunchContext) -> list:
    """Localizer and player; the end of either ends all."""
    localizer, replay = node(context, "localizer", OF_LOCALIZER), node(context, "replay", OF_REPLAY)
    ends = [
        RegisterEventHandler(OnProcessExit(target_action=one, on_exit=[Shutdown(reason=reason)]))
        for one, reason in ((localizer, "the localizer ended"), (replay, "the replay ended"))
    ]
    return [localizer, replay, *ends]


def generate_launch_description() -> LaunchDescription:
    """Player, localizer and rviz."""
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    of_nodes = {name: ("", text) for name, (_, _, text) in {**OF_REPLAY, **OF_LOCALIZER}.items()}
    arguments = {**of_nodes, **ARGUMENTS}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=t) for name, (d, t) in arguments.items()),
            SetEnvironmentVariable(
                "FASTRTPS_DEFAULT_PROFILES_FILE",
                EnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", default_value=profiles),
            ),
            OpaqueFunction(function=nodes),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )

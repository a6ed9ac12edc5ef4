# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The common part of the launch files. Only they import this module: it needs launch and launch_ros."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
LOG_LEVEL = {"log_level": ("info", "debug, info, warn or error")}
NAMESPACE = {"namespace": ("", "namespace of the node")}
TOPICS = {
    "image": ("image", "topic of the images; default: found. Compressed ones are on <image>/compressed"),
    "camera_info": ("camera_info", "topic of the calibration of these images; default: found"),
    "points": ("points", "topic of the lidar clouds; default: found"),
}
Arguments = Mapping[str, tuple[Any, str]]  # default and description by launch argument


class ParameterArgument(NamedTuple):
    """A launch argument that sets a parameter of a node if it is not empty."""

    parameter: str
    kind: type
    description: str


MODEL = {
    "model": ParameterArgument("model", str, "name of a model, or a folder of `i2p train`; default: vp2p-small"),
    "device": ParameterArgument("device", str, "auto, cpu or cuda; default: auto"),
}
FIND_TOPICS = {
    "find_topics": ParameterArgument(
        "node.find_topics", bool, "false: no search for topics that are not named; default of this file: true"
    ),
}
TRANSPORT = {
    "image_transport": ParameterArgument(
        "node.image_transport", str, "raw, compressed, ffmpeg or foxglove; default: raw"
    ),
}
ROBOT = {
    **TRANSPORT,
    "autostart": ParameterArgument("node.autostart", bool, "false: a lifecycle manager starts the node; default: true"),
    "odom_frame": ParameterArgument("node.odom_frame", str, "frame of the odometry; default: odom"),
    "use_sim_time": ParameterArgument("use_sim_time", bool, "use the time of /clock; default: false"),
}


@dataclass(frozen=True)
class PackageNode:
    """A node of this package, with the launch arguments that set its parameters, namespace and topics."""

    executable: str
    parameters: Mapping[str, ParameterArgument]  # by launch argument
    fixed: Mapping[str, Any] = field(default_factory=dict)  # parameters that a launch argument may override
    namespace: bool = False  # whether NAMESPACE is among its launch arguments
    topics: bool = False  # whether TOPICS are

    def action(self, context: LaunchContext) -> Node:
        """The launch action. Its parameters are those of params_file, `fixed`, and the arguments that are not empty."""
        given = {
            argument.parameter: ParameterValue(LaunchConfiguration(name), value_type=argument.kind)
            for name, argument in self.parameters.items()
            if LaunchConfiguration(name).perform(context)
        }
        return Node(
            package="i2p_ros",
            executable=self.executable,
            name=self.executable,
            output="screen",
            parameters=[LaunchConfiguration("params_file"), {**self.fixed, **given}],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in self._topics],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            **{name: LaunchConfiguration(name) for name in self._namespace},
        )

    @property
    def arguments(self) -> Arguments:
        """All launch arguments of the node."""
        parameters = {name: ("", argument.description) for name, argument in self.parameters.items()}
        return {**self._namespace, **self._topics, **parameters}

    @property
    def _namespace(self) -> Arguments:
        return NAMESPACE if self.namespace else {}

    @property
    def _topics(self) -> Arguments:
        return TOPICS if self.topics else {}


def params_file(name: str) -> Arguments:
    """The launch argument params_file, with a file of config/ as its default."""
    default = PathJoinSubstitution([SHARE, "config", name])
    return {"params_file": (default, "YAML file with the parameters of the nodes")}


def launch_description(
    nodes: Sequence[PackageNode], arguments: Arguments, end_together: bool = False, rviz_time: bool = False
) -> LaunchDescription:
    """The launch description of some nodes, and of rviz2 if there is an argument `rviz`.

    With `end_together` the end of one node ends all. With `rviz_time` rviz2 uses simulated time.
    """
    declared: dict[str, tuple[Any, str]] = {}
    for node in nodes:
        declared |= node.arguments
    declared |= {**arguments, **LOG_LEVEL}
    profiles = PathJoinSubstitution([SHARE, "config", "fastdds.xml"])
    actions = [
        *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in declared.items()),
        SetEnvironmentVariable(PROFILES, EnvironmentVariable(PROFILES, default_value=profiles)),
        OpaqueFunction(function=lambda context: _nodes(context, nodes, end_together)),
    ]
    if "rviz" in declared:
        wanted = IfCondition(LaunchConfiguration("rviz"))
        actions.append(OpaqueFunction(function=lambda context: _rviz(rviz_time), condition=wanted))
    return LaunchDescription(actions)


def _nodes(context: LaunchContext, nodes: Sequence[PackageNode], end_together: bool) -> list[Any]:
    actions = [node.action(context) for node in nodes]
    if not end_together:
        return actions
    ends = [
        RegisterEventHandler(
            OnProcessExit(target_action=action, on_exit=[Shutdown(reason=f"the {node.executable} ended")])
        )
        for node, action in zip(nodes, actions, strict=True)
    ]
    return [*actions, *ends]


def _rviz(rviz_time: bool) -> list[Any]:
    """rviz2 with the view of this package, or a log message if it is not installed."""
    if shutil.which("rviz2") is None:
        return [LogInfo(msg="rviz2 is not installed: no view (apt install ros-$ROS_DISTRO-rviz2)")]
    view = PathJoinSubstitution([SHARE, "config", "i2p_ros.rviz"])
    parameters = [{"use_sim_time": True}] if rviz_time else []
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view], parameters=parameters, output="log")]

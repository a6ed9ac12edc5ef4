# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording, played into the localizer: ros2 launch i2p_ros kitti_replay.launch.py data:=/path/to/kitti drive:=0052.

Without data it plays a synthetic drive. It ends with the recording, and prints a summary.
"""

from launch import LaunchDescription

from i2p_ros.ros.launching import MODEL, TRANSPORT, PackageNode, ParameterArgument, launch_description, params_file

ARGUMENTS = {**params_file("localizer.yaml"), "rviz": ("true", "show the view of this package, if rviz2 is installed")}
OF_REPLAY = {
    "data": ParameterArgument(
        "replay.data", str, "KITTI folder (raw, odometry or object layout) or bag; default: a synthetic drive"
    ),
    "drive": ParameterArgument("replay.drive", str, "drive or sequence of a KITTI folder, as 0052 or 04; default: all"),
    "camera": ParameterArgument("replay.camera", str, "camera of a KITTI folder; default: image_02"),
    "rate": ParameterArgument(
        "replay.rate", float, "speed; 0: each pair follows when the one before is answered; default: 1.0, real time"
    ),
    "loop": ParameterArgument("replay.loop", bool, "start again at the end; default: false"),
    "limit": ParameterArgument("replay.limit", int, "largest number of pairs; default: 0, all"),
    "perturb": ParameterArgument(
        "replay.perturb", str, "random transform of each cloud, vp2p or sixdof; default: none, the lidar's frame"
    ),
    "seed": ParameterArgument(
        "replay.seed", int, "seed of the random transforms and of the synthetic drive; default: 0"
    ),
    "image_transport": ParameterArgument("replay.image_transport", str, "raw or compressed; default: raw"),
}
LOCALIZER = PackageNode("localizer", {**TRANSPORT, **MODEL}, fixed={"use_sim_time": True})
REPLAY = PackageNode("replay", OF_REPLAY, fixed={"use_sim_time": False})


def generate_launch_description() -> LaunchDescription:
    """Localizer, player and rviz2. The end of localizer or player ends all."""
    return launch_description([LOCALIZER, REPLAY], ARGUMENTS, end_together=True, rviz_time=True)

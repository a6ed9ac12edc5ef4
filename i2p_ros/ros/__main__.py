# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`ros2 run i2p_ros NAME`, or `python -m i2p_ros.ros NAME` without an installation. Nodes are imported when run."""

import sys

from i2p_ros.ros.running import Runnable, run


def localizer() -> None:
    """Run the node localizer."""

    def make() -> Runnable:
        from i2p_ros.ros.nodes.localizer_node import LocalizerNode

        return LocalizerNode()

    run(make)


def replay() -> None:
    """Run the node replay."""

    def make() -> Runnable:
        from i2p_ros.ros.replay.node import ReplayNode

        return ReplayNode()

    run(make)


def drift_monitor() -> None:
    """Run the node drift_monitor."""

    def make() -> Runnable:
        from i2p_ros.ros.nodes.drift_monitor_node import DriftMonitorNode

        return DriftMonitorNode()

    run(make)


NODES = {"drift_monitor": drift_monitor, "localizer": localizer, "replay": replay}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NODES:
        sys.exit(f"usage: python -m i2p_ros.ros {'|'.join(NODES)} [--ros-args ...]")
    NODES[sys.argv[1]]()

# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `drift_monitor`: image, camera_info and points in; ~/drift, ~/verdict and diagnostics out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from std_srvs.srv import Trigger

from i2p_ros.core.errors import InputError
from i2p_ros.monitor.history import History
from i2p_ros.monitor.session import NetworkPose
from i2p_ros.ros.nodes.input_topics import InputTopics
from i2p_ros.ros.nodes.lifecycle_node import PairLifecycleNode
from i2p_ros.ros.nodes.monitor_channel import MonitorChannel
from i2p_ros.ros.nodes.pair_job import PairJob
from i2p_ros.ros.nodes.services import answering
from i2p_ros.ros.nodes.tf_listener import TfListener


class DriftMonitorNode(PairLifecycleNode[MonitorChannel]):
    """Monitors the calibration of each camera with each lidar. Configured, it has the network and the history."""

    work = "calibration"

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("drift_monitor", **node_arguments)
        self._history: History | None = None
        self._network_pose: NetworkPose | None = None
        for name, act in (("accept", MonitorChannel.accept), ("reset", MonitorChannel.reset), ("save", self._save)):
            self.create_service(Trigger, f"~/{name}", answering(lambda: self._channels, _on_each(act)))
        self.start()

    def load(self) -> None:
        """Load the network, unless monitor.network_pairs is 0, and open the history.

        Raises InputError if the file of the nominal calibration is missing.
        """
        from i2p_ros.localizer import load_network_pose  # heavy

        monitor = self.settings.monitor
        if monitor.nominal != "tf" and not Path(monitor.nominal).expanduser().is_file():
            raise InputError(f"no nominal calibration: {monitor.nominal} is no file", "calibration.missing")
        self._network_pose = load_network_pose(self.settings)
        self._history = History(Path(monitor.history).expanduser()) if monitor.history else None

    def unload(self) -> None:
        """Release the network, and close the history."""
        if self._history is not None:
            self._history.close()
        self._history, self._network_pose = None, None

    def describe(self) -> str:
        """Source of the nominal calibration, and the history, in one line."""
        monitor = self.settings.monitor
        return f"nominal calibration from {monitor.nominal}, history {monitor.history or 'off'}"

    def values(self) -> dict[str, str]:
        """Source of the nominal calibration, for the diagnostics."""
        return {"nominal": self.settings.monitor.nominal}

    def needs_tf(self) -> bool:
        """True: tf has the nominal calibration, or the speed of the vehicle."""
        return True

    def channel(
        self,
        camera: str,
        lidar: str,
        tf: TfListener | None,
        put: Callable[[MonitorChannel, PairJob], PairJob | None],
        topics: InputTopics,
    ) -> MonitorChannel:
        """A channel of these names, subscribed to the topics."""
        return MonitorChannel(self, self.settings, camera, lidar, tf, put, self._history, self._network_pose, topics)

    def _save(self, channel: MonitorChannel) -> str:
        return channel.save(Path(self.settings.node.calibration_dir).expanduser())


def _on_each(act: Callable[[MonitorChannel], str]) -> Callable[[Any, Sequence[MonitorChannel]], str]:
    """The answer of a service that acts on each channel: the texts of all. Raises InputError if one of them failed."""

    def answer(request: Any, channels: Sequence[MonitorChannel]) -> str:
        texts, failed = [], False
        for channel in channels:
            try:
                text = act(channel)
            except InputError as error:
                text, failed = str(error), True
            texts.append(f"{channel.name}: {text}".removeprefix(": "))
        if failed:
            raise InputError("; ".join(texts), "monitor")
        return "; ".join(texts)

    return answer

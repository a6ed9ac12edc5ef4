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
from i2p_ros.monitor.session import Look
from i2p_ros.ros.nodes.channel_node import ChannelNode
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.job import Job
from i2p_ros.ros.nodes.monitor_channel import MonitorChannel
from i2p_ros.ros.nodes.services import answering


class MonitorNode(ChannelNode[MonitorChannel]):
    """Watches each camera against each lidar. Configured, it has the history, if one is asked for."""

    work = "calibration"

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("drift_monitor", **node_arguments)
        self._history: History | None = None
        self._look: Look | None = None
        for name, ask in (("accept", MonitorChannel.accept), ("reset", MonitorChannel.reset), ("save", self._save)):
            self.create_service(Trigger, f"~/{name}", answering(lambda: self._channels, _of_all(ask)))
        self.start()

    def load(self) -> None:
        """Load the model, if it is to look, and open the history; a nominal calibration's file must be there."""
        from i2p_ros.localizer import looker  # heavy

        monitor = self.settings.monitor
        if monitor.nominal != "tf" and not Path(monitor.nominal).expanduser().is_file():
            raise InputError(f"no nominal calibration: {monitor.nominal} is no file", "calibration.missing")
        self._look = looker(self.settings)
        self._history = History(Path(monitor.history).expanduser()) if monitor.history else None

    def unload(self) -> None:
        """Give the model back, and close the history."""
        if self._history is not None:
            self._history.close()
        self._history, self._look = None, None

    def describe(self) -> str:
        """Where the nominal calibration comes from, and where findings go."""
        monitor = self.settings.monitor
        return f"nominal calibration from {monitor.nominal}, history {monitor.history or 'off'}"

    def facts(self) -> dict[str, str]:
        """Where the nominal calibration comes from."""
        return {"nominal": self.settings.monitor.nominal}

    def needs_frames(self) -> bool:
        """Always: for the nominal calibration, or for how fast the vehicle is."""
        return True

    def channel(
        self, camera: str, lidar: str, frames: Frames | None, put: Callable[[MonitorChannel, Job], Job | None]
    ) -> MonitorChannel:
        """A channel of these names, subscribed."""
        return MonitorChannel(self, self.settings, camera, lidar, frames, put, self._history, self._look)

    def _save(self, channel: MonitorChannel) -> str:
        return channel.save(Path(self.settings.node.calibration_dir).expanduser())


def _of_all(ask: Callable[[MonitorChannel], str]) -> Callable[[Any, Sequence[MonitorChannel]], str]:
    """Asks each channel, and says what came of it; raises InputError with all of that if it did not of each."""

    def answer(request: Any, channels: Sequence[MonitorChannel]) -> str:
        told, missing = [], False
        for channel in channels:
            try:
                text = ask(channel)
            except InputError as error:
                text, missing = str(error), True
            told.append(f"{channel.name}: {text}".removeprefix(": "))
        if missing:
            raise InputError("; ".join(told), "monitor")
        return "; ".join(told)

    return answer

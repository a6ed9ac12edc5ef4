# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node `localizer`: image, camera_info and points in; pose, tf, overlay, status and diagnostics out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i2p_ros.core.config import Settings
from i2p_ros.ros.nodes.channel import Channel, PairLocalizer
from i2p_ros.ros.nodes.channel_node import ChannelNode
from i2p_ros.ros.nodes.frames import Frames
from i2p_ros.ros.nodes.job import Job
from i2p_ros.ros.nodes.services import Services


class LocalizerNode(ChannelNode[Channel]):
    """Pairs what arrives, and answers every pair on ~/status: with a pose, or with the reason why there is none.

    Configured, it has the model, which its channels share.
    """

    work = "localization"

    def __init__(self, localizer: PairLocalizer | None = None, **node_arguments: Any) -> None:
        super().__init__("localizer", **node_arguments)
        self._given, self._localizer = localizer, localizer
        Services(self, lambda: self._channels, Path(self.settings.node.calibration_dir))
        self.start()

    def load(self) -> None:
        """Load and warm the model."""
        self._localizer = self._given or _loaded(self.settings)

    def unload(self) -> None:
        """Give the model back."""
        self._localizer = None
        gc.collect()

    def describe(self) -> str:
        """The model."""
        return self._localizer.describe() if self._localizer else ""

    def facts(self) -> dict[str, str]:
        """The settings that chose it, and what came of them."""
        return {"model": self.settings.model, "device": self.settings.device, "runtime": self.describe()}

    def needs_frames(self) -> bool:
        """Whether anything asks for a transform."""
        node = self.settings.node
        asked = self.settings.tracking.prior != "none" or node.base_frame or node.tf_mode == "map_to_odom"
        return bool(asked or node.motion_compensation)

    def channel(
        self, camera: str, lidar: str, frames: Frames | None, put: Callable[[Channel, Job], Job | None]
    ) -> Channel:
        """A channel of these names, subscribed."""
        assert self._localizer is not None
        return Channel(self, self.settings, camera, lidar, frames, put, self._localizer)

    def _apply(self, settings: Settings) -> None:
        super()._apply(settings)
        if self._localizer is not None:
            self._localizer.settings = settings


def _loaded(settings: Settings) -> PairLocalizer:
    """The real localizer, warm; raises ModelError. The heavy import waits until it is needed."""
    from i2p_ros.localizer import load

    localizer = load(settings.model, settings)
    localizer.warm_up()
    return localizer
